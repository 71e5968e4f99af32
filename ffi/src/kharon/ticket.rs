//! Tickets as they are kept.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use hersh::kharon::{Status, Ticket};
use serde_json::{Value as Json, json};

use crate::boundary;
use crate::error::Answer;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, numbered, tell, terminated};

/// A ticket as a store had it when it was asked. Later changes do not show in it.
///
/// May be read from any thread. Free it with `hersh_ticket_free`; texts and bytes that it lends are
/// valid until then.
pub struct HershTicket {
    ticket: Ticket,
    id: CString,
    kind: CString,
    error_reason: Option<CString>,
}

handle_of!(HershTicket, Ticket);

/// Where a ticket stands. The numbers are explicit and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershTicketStatus {
    /// Where one is asked for: any. As an answer: it was no ticket.
    Any = -1,
    /// It waits for its time, for a worker, or for a worker to finish.
    Pending = 0,
    /// Its work was done.
    Done = 1,
    /// Its work failed for good; see `hersh_kharon_revive`.
    Failed = 2,
    /// Somebody no longer wanted it.
    Cancelled = 3,
}

impl From<Status> for HershTicketStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Done => Self::Done,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// A status that C asks for, or any.
pub(super) fn asked_for(number: i32) -> Answer<Option<Status>> {
    let known = [
        (HershTicketStatus::Any as i32, None),
        (HershTicketStatus::Pending as i32, Some(Status::Pending)),
        (HershTicketStatus::Done as i32, Some(Status::Done)),
        (HershTicketStatus::Failed as i32, Some(Status::Failed)),
        (HershTicketStatus::Cancelled as i32, Some(Status::Cancelled)),
    ];
    numbered(number, &known, "status")
}

impl HershTicket {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self {
            id: terminated(ticket.id.as_str()),
            kind: terminated(ticket.kind.as_str()),
            error_reason: ticket.error_reason.as_deref().map(terminated),
            ticket,
        }
    }
}

fn get(ticket: *const HershTicket) -> Answer<Arc<HershTicket>> {
    handle::get(ticket, "ticket")
}

/// A ticket as JSON, as the header describes it at `hersh_ticket_json`.
pub(super) fn shown(ticket: &Ticket) -> Json {
    let lease = ticket
        .lease
        .map(|lease| json!({ "token": lease.token.0, "until_us": lease.until.as_micros() }));
    let repeat = ticket.repeat.as_ref().map(|repeat| repeat.to_text());
    json!({
        "id": ticket.id.as_str(),
        "type": ticket.kind.as_str(),
        "tube": ticket.tube.as_str(),
        "payload": std::str::from_utf8(&ticket.payload).ok(),
        "payload_length": ticket.payload.len(),
        "nice": ticket.nice,
        "runat_us": ticket.runat.as_micros(),
        "status": ticket.status.as_str(),
        "attempts": ticket.attempts,
        "ctime_us": ticket.ctime.as_micros(),
        "mtime_us": ticket.mtime.as_micros(),
        "error_reason": ticket.error_reason,
        "expires_at_us": ticket.expires_at.map(hersh::kharon::Timestamp::as_micros),
        "claim": lease,
        "group": ticket.group.as_ref().map(hersh::kharon::Label::as_str),
        "unique_key": ticket.unique_key.as_ref().map(hersh::kharon::Label::as_str),
        "repeat": repeat.and_then(|text| serde_json::from_str::<Json>(&text).ok()),
    })
}

/// Frees a ticket; the store keeps its own. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_free(ticket: *mut HershTicket) -> HershStatus {
    boundary::status(|| handle::take(ticket, "ticket").map(drop))
}

/// Its id; NULL when it is no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_id(ticket: *const HershTicket) -> *const c_char {
    boundary::value(ptr::null(), || Ok(get(ticket)?.id.as_ptr()))
}

/// Its type; NULL when it is no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_type(ticket: *const HershTicket) -> *const c_char {
    boundary::value(ptr::null(), || Ok(get(ticket)?.kind.as_ptr()))
}

/// Where it stands; `HERSH_TICKET_STATUS_ANY` when it is no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_status(ticket: *const HershTicket) -> HershTicketStatus {
    boundary::value(HershTicketStatus::Any, || Ok(get(ticket)?.ticket.status.into()))
}

/// How often it was claimed since it was added, revived, or fell due by its schedule; 0 when it is
/// no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_attempts(ticket: *const HershTicket) -> u32 {
    boundary::value(0, || Ok(get(ticket)?.ticket.attempts))
}

/// The token of its last claim, for settling it under that claim; `HERSH_NO_CLAIM` when there is
/// none, or it is no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_token(ticket: *const HershTicket) -> u64 {
    boundary::value(0, || Ok(get(ticket)?.ticket.token().map_or(0, |token| token.0)))
}

/// Why its last attempt failed; NULL when none has, or it is no ticket.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_ticket_error_reason(ticket: *const HershTicket) -> *const c_char {
    boundary::value(ptr::null(), || {
        Ok(get(ticket)?.error_reason.as_ref().map_or(ptr::null(), |reason| reason.as_ptr()))
    })
}

/// The bytes that it carries, and how many. NULL and 0 when there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_ticket_payload(
    ticket: *const HershTicket,
    payload: *mut *const u8,
    length: *mut usize,
) -> HershStatus {
    boundary::status(|| {
        let ticket = get(ticket)?;
        // SAFETY: contract, outputs.
        unsafe { lend(&ticket.ticket, payload, length) }
    })
}

/// Lends the payload of a ticket, which must outlive what C is told.
///
/// # Safety
/// Both places are NULL or may be written.
pub(super) unsafe fn lend(ticket: &Ticket, payload: *mut *const u8, length: *mut usize) -> Answer {
    // SAFETY: the caller's duty is the same.
    let (payload, length) = unsafe { (Out::new(payload, "payload")?, Out::new(length, "length")?) };
    let bytes = ticket.payload.as_bytes();
    payload.set(if bytes.is_empty() { ptr::null() } else { bytes.as_ptr() });
    length.set(bytes.len());
    Ok(())
}

/// All of it as JSON: `id`, `type`, `tube`, `payload` (null where it is not UTF-8), `payload_length`,
/// `nice`, `runat_us`, `status` (`"pending"`, `"done"`, `"failed"` or `"cancelled"`), `attempts`,
/// `ctime_us`, `mtime_us`, `error_reason`, `expires_at_us`, `claim` (null, or `token` and
/// `until_us`), `group`, `unique_key`, `repeat`. Times are microseconds since the Unix epoch. Later
/// versions may add keys. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_ticket_json(
    ticket: *const HershTicket,
    json: *mut *mut c_char,
) -> HershStatus {
    tell(json, "json", || Ok(shown(&get(ticket)?.ticket)))
}
