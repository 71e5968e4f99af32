//! Tickets as rows.

use rusqlite::Row;

use super::lanes::Lanes;
use crate::kharon::error::{StoreError, StoreFault};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::payload::Payload;
use crate::kharon::rules;
use crate::kharon::schedule::Repeat;
use crate::kharon::ticket::{ClaimToken, Lease, Status, Ticket};
use crate::kharon::time::Timestamp;

/// What the column `state` says. The statements have these numbers in them. All take one byte in the
/// file, so that a change of state does not change the length of a row.
pub(super) mod state {
    /// Pending, and can be claimed.
    pub(in super::super) const READY: i64 = 2;
    /// Pending, under a lease that ends at `until`.
    pub(in super::super) const CLAIMED: i64 = 3;
    /// Pending, but not before `wake_at`.
    pub(in super::super) const WAITING: i64 = 4;
    /// Settled ones have this and the code of their status.
    pub(in super::super) const SETTLED: i64 = 4;
}

/// Stands in a row without a claim, as wide as a token.
pub(super) const NO_TOKEN: i64 = -(1 << 40);

/// The columns of a ticket, in the order in which [`read`] expects them.
macro_rules! columns {
    () => {
        "seq, id, lane, nice, runat, state, attempts, ctime, mtime, token, until, expires_at, \
         error_reason, group_name, unique_key, repeat, payload"
    };
}
pub(super) use columns;

/// A ticket, and where it lies.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) lane: i64,
    pub(super) state: i64,
    pub(super) ticket: Ticket,
}

impl Kept {
    /// When the claim ends by which the ticket is in no queue.
    pub(super) fn claimed_until(&self) -> Option<Timestamp> {
        let claimed = self.state == state::CLAIMED;
        self.ticket.lease.filter(|_| claimed).map(|lease| lease.until)
    }
}

/// The ticket of a row.
pub(super) fn read(row: &Row<'_>, lanes: &Lanes) -> Result<Kept, StoreError> {
    let text = |at| row.get_ref(at)?.as_str_or_null().map_err(|_| damaged());
    let label = |at| text(at)?.map(Label::new).transpose().map_err(|_| damaged());
    let id = TicketId::new(row.get_ref(1)?.as_str().map_err(|_| damaged())?);
    let lane = row.get(2)?;
    let (tube, kind) = lanes.names(lane)?;
    let mut ticket = Ticket::bare(id.map_err(|_| damaged())?, kind, tube);
    ticket.nice = row.get(3)?;
    ticket.runat = Timestamp::from_database(row.get(4)?);
    let state = row.get(5)?;
    ticket.status = status_of(state).ok_or_else(damaged)?;
    ticket.attempts = row.get(6)?;
    ticket.ctime = Timestamp::from_database(row.get(7)?);
    ticket.mtime = Timestamp::from_database(row.get(8)?);
    let token: i64 = row.get(9)?;
    if token > 0 && ticket.status == Status::Pending {
        ticket.lease = Some(Lease {
            token: ClaimToken(token.cast_unsigned()),
            until: Timestamp::from_database(row.get(10)?),
        });
    }
    let expires_at: Option<i64> = row.get(11)?;
    ticket.expires_at = expires_at.map(Timestamp::from_database);
    ticket.error_reason = text(12)?.map(Into::into);
    ticket.group = label(13)?;
    ticket.unique_key = label(14)?;
    let repeat = text(15)?.map(|text| Repeat::from_text(text).ok_or_else(damaged)).transpose()?;
    ticket.repeat = repeat.map(Box::new);
    let payload = row.get_ref(16)?.as_bytes_or_null().map_err(|_| damaged())?;
    ticket.payload = payload.map_or(Payload::EMPTY, Payload::from);
    Ok(Kept { seq: row.get(0)?, lane, state, ticket })
}

/// The status of a state.
pub(super) fn status_of(state: i64) -> Option<Status> {
    match state {
        state::READY..=state::WAITING => Some(Status::Pending),
        _ => i16::try_from(state - state::SETTLED).ok().and_then(Status::from_code),
    }
}

/// The state of a settled ticket.
pub(super) fn settled(status: Status) -> i64 {
    state::SETTLED + i64::from(status.code())
}

/// The state of a ticket at a moment, and when it is to be looked at again if it waits.
pub(super) fn place(ticket: &Ticket, now: Timestamp) -> (i64, Option<Timestamp>) {
    match rules::ready_at(ticket) {
        None => (settled(ticket.status), None),
        Some(_) if ticket.lease.is_some_and(|lease| lease.until > now) => (state::CLAIMED, None),
        Some(at) if at <= now => (state::READY, None),
        Some(at) => (state::WAITING, Some(at)),
    }
}

/// A moment as the file keeps it.
pub(super) fn moment(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::to_database)
}

/// Bytes, or nothing when there are none.
pub(super) fn bytes(payload: &Payload) -> Option<&[u8]> {
    (!payload.is_empty()).then(|| payload.as_bytes())
}

pub(super) fn damaged() -> StoreError {
    StoreError::new(StoreFault::Corrupt, "a ticket in the store is damaged")
}
