//! What a change does to a ticket.

use super::periodic::next_due;
use super::{holds, shorten};
use crate::kharon::error::{InvalidTicket, UpdateError};
use crate::kharon::payload::{MAX_PAYLOAD, Payload};
use crate::kharon::store::Change;
use crate::kharon::ticket::{ClaimToken, Status, Ticket};
use crate::kharon::time::Timestamp;

/// What became of a ticket by a change that applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the ticket is to be removed from the store.
    pub removed: bool,
    /// How it moved, for its group: from one status to another. A pending ticket that is removed
    /// moves to how it was settled, and to Cancelled when it was not.
    pub moved: Option<(Status, Status)>,
}

impl Outcome {
    const STAYS: Self = Self { removed: false, moved: None };
}

/// Applies a change at a moment. A ticket to which it does not apply is left as it is.
///
/// The store itself looks after two things that are not of one ticket: that a unique key which a
/// revived ticket takes again is free, and that groups count what moved.
///
/// # Errors
/// As [`UpdateError`] says, but `NotFound` and `KeyTaken`.
pub fn apply(
    ticket: &mut Ticket,
    token: Option<ClaimToken>,
    change: &Change,
    now: Timestamp,
) -> Result<Outcome, UpdateError> {
    check(ticket, token, change, now)?;
    ticket.mtime = now;
    match change {
        Change::Finish { status, keep, expire_in, reason, payload } => {
            carry(ticket, payload.as_ref(), reason.as_deref());
            if ticket.repeat.is_some() && *status != Status::Cancelled {
                repeat(ticket, now);
                return Ok(Outcome::STAYS);
            }
            ticket.status = *status;
            ticket.lease = None;
            ticket.expires_at = expire_in.map(|after| now + after);
            let moved = Some((Status::Pending, *status));
            return Ok(Outcome { removed: !keep, moved });
        }
        Change::Retry { delay, nice, reason, payload } => {
            carry(ticket, payload.as_ref(), reason.as_deref());
            ticket.nice = nice.unwrap_or(ticket.nice);
            ticket.runat = now + *delay;
            ticket.lease = None;
        }
        Change::Release => {
            ticket.attempts = ticket.attempts.saturating_sub(1);
            ticket.lease = None;
        }
        Change::Extend { lease } => {
            if let Some(held) = &mut ticket.lease {
                held.until = now + *lease;
            }
        }
        Change::Skip => repeat(ticket, now),
        Change::Revive { delay } => return Ok(revive(ticket, now + *delay)),
        Change::Delete => {
            let pending = ticket.status == Status::Pending;
            let moved = pending.then_some((Status::Pending, Status::Cancelled));
            return Ok(Outcome { removed: true, moved });
        }
    }
    Ok(Outcome::STAYS)
}

fn check(
    ticket: &Ticket,
    token: Option<ClaimToken>,
    change: &Change,
    now: Timestamp,
) -> Result<(), UpdateError> {
    if token.is_some_and(|token| !holds(ticket, token, now)) {
        return Err(UpdateError::StaleClaim);
    }
    match change {
        Change::Release | Change::Extend { .. } | Change::Skip if token.is_none() => {
            return Err(UpdateError::StaleClaim);
        }
        Change::Skip if ticket.repeat.is_none() => {
            return Err(UpdateError::Invalid(InvalidTicket { problem: "it does not repeat" }));
        }
        Change::Finish { status: Status::Pending, .. } => {
            let problem = "a ticket cannot be finished as pending";
            return Err(UpdateError::Invalid(InvalidTicket { problem }));
        }
        Change::Finish { .. } | Change::Retry { .. } if ticket.status.is_final() => {
            return Err(UpdateError::Settled { status: ticket.status });
        }
        Change::Revive { .. } if !matches!(ticket.status, Status::Failed | Status::Cancelled) => {
            return Err(UpdateError::NotDead { status: ticket.status });
        }
        _ => {}
    }
    match change {
        Change::Finish { payload: Some(payload), .. }
        | Change::Retry { payload: Some(payload), .. }
            if payload.len() > MAX_PAYLOAD =>
        {
            let problem = "its new payload is larger than 16 MiB";
            Err(UpdateError::Invalid(InvalidTicket { problem }))
        }
        _ => Ok(()),
    }
}

/// Takes over what a change brings along.
fn carry(ticket: &mut Ticket, payload: Option<&Payload>, reason: Option<&str>) {
    if let Some(payload) = payload {
        ticket.payload = payload.clone();
    }
    if let Some(reason) = reason {
        ticket.error_reason = Some(shorten(reason));
    }
}

/// Moves a ticket that repeats to its next time.
fn repeat(ticket: &mut Ticket, now: Timestamp) {
    if let Some(repeat) = &mut ticket.repeat {
        repeat.due = next_due(repeat, now);
        ticket.runat = repeat.due;
        ticket.attempts = 0;
        ticket.lease = None;
    }
}

fn revive(ticket: &mut Ticket, at: Timestamp) -> Outcome {
    let moved = Some((ticket.status, Status::Pending));
    ticket.status = Status::Pending;
    ticket.attempts = 0;
    ticket.runat = at;
    ticket.expires_at = None;
    if let Some(repeat) = &mut ticket.repeat {
        repeat.due = at;
    }
    Outcome { removed: false, moved }
}
