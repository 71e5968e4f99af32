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

/// The columns of a ticket, in the order in which [`read`] expects them.
macro_rules! columns {
    () => {
        "seq, id, lane, nice, runat, status, attempts, ctime, mtime, token, until, expires_at, \
         error_reason, group_name, unique_key, repeat, payload"
    };
}
pub(super) use columns;

/// The ticket of a row, and its number.
pub(super) fn read(row: &Row<'_>, lanes: &Lanes) -> Result<(i64, Ticket), StoreError> {
    let text = |at| row.get_ref(at)?.as_str_or_null().map_err(|_| damaged());
    let label = |at| text(at)?.map(Label::new).transpose().map_err(|_| damaged());
    let id = TicketId::new(row.get_ref(1)?.as_str().map_err(|_| damaged())?);
    let (tube, kind) = lanes.names(row.get(2)?)?;
    let mut ticket = Ticket::bare(id.map_err(|_| damaged())?, kind, tube);
    ticket.nice = row.get(3)?;
    ticket.runat = Timestamp::from_database(row.get(4)?);
    ticket.status = Status::from_code(row.get(5)?).ok_or_else(damaged)?;
    ticket.attempts = row.get(6)?;
    ticket.ctime = Timestamp::from_database(row.get(7)?);
    ticket.mtime = Timestamp::from_database(row.get(8)?);
    let token: Option<i64> = row.get(9)?;
    ticket.lease = match token {
        Some(token) => Some(Lease {
            token: ClaimToken(token.cast_unsigned()),
            until: Timestamp::from_database(row.get(10)?),
        }),
        None => None,
    };
    let expires_at: Option<i64> = row.get(11)?;
    ticket.expires_at = expires_at.map(Timestamp::from_database);
    ticket.error_reason = text(12)?.map(Into::into);
    ticket.group = label(13)?;
    ticket.unique_key = label(14)?;
    let repeat = text(15)?.map(|text| Repeat::from_text(text).ok_or_else(damaged)).transpose()?;
    ticket.repeat = repeat.map(Box::new);
    let payload = row.get_ref(16)?.as_bytes_or_null().map_err(|_| damaged())?;
    ticket.payload = payload.map_or(Payload::EMPTY, Payload::from);
    Ok((row.get(0)?, ticket))
}

/// Where a ticket is queued, and when it can be claimed.
pub(super) fn place(ticket: &Ticket, now: Timestamp) -> (u8, Timestamp) {
    match rules::ready_at(ticket) {
        None => (0, ticket.runat),
        Some(at) if at <= now => (1, at),
        Some(at) => (2, at),
    }
}

/// Bytes, or nothing when there are none.
pub(super) fn bytes(payload: &Payload) -> Option<&[u8]> {
    (!payload.is_empty()).then(|| payload.as_bytes())
}

pub(super) fn damaged() -> StoreError {
    StoreError::new(StoreFault::Corrupt, "a ticket in the store is damaged")
}
