//! What each event does to a ticket, as pure functions: `(ticket, event, now) -> ticket`.
//!
//! Nothing here reads a clock, waits, or touches a store. The stores that are written in Rust call
//! these functions; one that does the same in its database's language is held to them by the
//! [conformance suite](crate::kharon::conformance).

mod backoff;
mod change;
mod groups;
mod limits;
mod periodic;
mod verdict;

#[cfg(test)]
mod properties;

pub use backoff::Backoff;
pub use change::{Outcome, apply};
pub use groups::{close_group, count, free_finalizer, is_held, join_group};
pub use limits::{Limit, Meter};
pub use periodic::{is_missed, next_due};
pub use verdict::{Judgement, chance, failed};

use std::time::Duration;

use super::schedule::Repeat;
use super::ticket::{ClaimToken, Lease, NewTicket, Status, Ticket, When};
use super::time::Timestamp;

/// The most bytes that are kept of an error reason.
pub const MAX_REASON: usize = 4096;

/// The ticket that a new one becomes when it is added.
pub fn admit(new: NewTicket, now: Timestamp) -> Ticket {
    let mut ticket = Ticket::bare(new.id, new.kind, new.tube);
    let at = match new.when {
        When::Now => None,
        When::In(delay) => Some(now + delay),
        When::At(at) => Some(at),
    };
    ticket.repeat = new.repeat.map(|mut repeat: Box<Repeat>| {
        repeat.due = at.unwrap_or_else(|| repeat.schedule.next(now, now));
        repeat
    });
    ticket.runat = ticket.repeat.as_ref().map_or(at.unwrap_or(now), |repeat| repeat.due);
    ticket.payload = new.payload;
    ticket.nice = new.nice;
    ticket.group = new.group;
    ticket.unique_key = new.unique_key;
    ticket.ctime = now;
    ticket.mtime = now;
    ticket
}

/// From when on a ticket can be claimed; `None` when it is settled.
pub fn ready_at(ticket: &Ticket) -> Option<Timestamp> {
    match ticket.status {
        Status::Pending => Some(match ticket.lease {
            Some(lease) => ticket.runat.max(lease.until),
            None => ticket.runat,
        }),
        _ => None,
    }
}

/// Claims a ticket that is ready.
pub fn claim(ticket: &mut Ticket, token: ClaimToken, lease: Duration, now: Timestamp) {
    debug_assert!(ready_at(ticket).is_some_and(|at| at <= now), "claimed before it was ready");
    ticket.lease = Some(Lease { token, until: now + lease });
    ticket.attempts = ticket.attempts.saturating_add(1);
    ticket.mtime = now;
}

/// Whether a claim is still good: the ticket's last one, and its time not over.
pub fn holds(ticket: &Ticket, token: ClaimToken, now: Timestamp) -> bool {
    ticket.status == Status::Pending
        && ticket.lease.is_some_and(|lease| lease.token == token && now < lease.until)
}

/// As much of a reason as is kept.
pub fn shorten(reason: &str) -> Box<str> {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].replace('\0', "\u{FFFD}").into()
}
