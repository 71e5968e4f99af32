//! Adding tickets.

use std::ffi::c_char;

use hersh::kharon::store::{Added, Addition, IfExists};
use hersh::kharon::{AddError, Kharon, NewTicket};

use super::new_ticket::{HershNewTicket, given};
use super::{HershKharon, get};
use crate::boundary;
use crate::error::{Answer, Failure};
use crate::status::HershStatus;
use crate::text::{Out, hand_over, null, numbered};

/// How a ticket was added. The numbers are explicit and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershAdded {
    /// It is new.
    New = 0,
    /// It took the place of an older one.
    Replaced = 1,
    /// It was not added: there is one already, with the same id or the same unique key.
    Kept = 2,
}

/// What to do when there is a ticket with the id of a new one. The numbers are explicit and never
/// used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershIfExists {
    /// Refuse the new one: `HERSH_STATUS_EXISTS`.
    Refuse = 0,
    /// Delete the old one, whatever its state; a claim of it is void.
    Replace = 1,
    /// Keep the old one as it is. A unique key that is taken counts as well.
    Keep = 2,
}

/// The most tickets that can be added in one call.
const MOST: usize = 1 << 20;

impl From<&Added> for HershAdded {
    fn from(added: &Added) -> Self {
        match added {
            Added::New => Self::New,
            Added::Replaced => Self::Replaced,
            Added::Kept(_) => Self::Kept,
        }
    }
}

/// Adds a ticket. Returns when the store has it. `HERSH_STATUS_EXISTS` when there is one with its id,
/// `HERSH_STATUS_KEY_TAKEN` when a pending one has its unique key, `HERSH_STATUS_NOT_FOUND` and
/// `HERSH_STATUS_CLOSED` for its group, `HERSH_STATUS_INVALID_ARGUMENT` when it makes no sense.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_add(
    kharon: *mut HershKharon,
    ticket: *const HershNewTicket,
) -> HershStatus {
    boundary::status(|| Ok(get(kharon)?.kharon.add(given(ticket)?)?))
}

fn add(
    kharon: *mut HershKharon,
    ticket: *const HershNewTicket,
    added: *mut HershAdded,
    kept: *mut *mut c_char,
    add: impl FnOnce(&Kharon, NewTicket) -> Result<Added, AddError>,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let (added, kept) = unsafe { (Out::optional(added), Out::optional(kept)) };
        let how = add(&get(kharon)?.kharon, given(ticket)?)?;
        if let Some(added) = added {
            added.set(HershAdded::from(&how));
        }
        if let (Added::Kept(id), Some(kept)) = (&how, kept) {
            kept.set(hand_over(id.as_str()));
        }
        Ok(())
    })
}

/// Adds a ticket in place of one with its id, whatever its state. `added` gets how, and may be NULL.
/// Otherwise like `hersh_kharon_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_add_or_replace(
    kharon: *mut HershKharon,
    ticket: *const HershNewTicket,
    added: *mut HershAdded,
) -> HershStatus {
    add(kharon, ticket, added, std::ptr::null_mut(), Kharon::add_or_replace)
}

/// Adds a ticket unless there is one with its id, or a pending one with its unique key. `added` gets
/// how, and `kept`, when it was kept out, the id of the ticket that is there, to be freed with
/// `hersh_string_free`; both may be NULL. Otherwise like `hersh_kharon_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_add_if_absent(
    kharon: *mut HershKharon,
    ticket: *const HershNewTicket,
    added: *mut HershAdded,
    kept: *mut *mut c_char,
) -> HershStatus {
    add(kharon, ticket, added, kept, Kharon::add_if_absent)
}

/// Adds `count` tickets at once, at most a million, each by itself, in their order: much faster than
/// one by one where a disk is to be waited for. `if_exists` is a `HershIfExists`. `statuses`, if it is
/// not NULL, gets for each of them what `hersh_kharon_add` would have answered; the answer of the call
/// is `HERSH_STATUS_OK` only if all were added, or kept out as asked, and else that of the first that
/// was not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_add_all(
    kharon: *mut HershKharon,
    tickets: *const *const HershNewTicket,
    count: usize,
    if_exists: i32,
    statuses: *mut HershStatus,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        let known = [
            (HershIfExists::Refuse as i32, IfExists::Refuse),
            (HershIfExists::Replace as i32, IfExists::Replace),
            (HershIfExists::Keep as i32, IfExists::Keep),
        ];
        let if_exists = numbered(if_exists, &known, "if_exists")?;
        // SAFETY: contract, pointers.
        let tickets = unsafe { tickets_of(tickets, count, "tickets") }?;
        let additions = tickets.into_iter().map(|ticket| Addition { ticket, if_exists }).collect();
        let mut first = Ok(());
        for (at, answer) in kharon.kharon.add_all(additions)?.into_iter().enumerate() {
            let answer = answer.map(drop).map_err(Failure::from);
            if !statuses.is_null() {
                let status =
                    answer.as_ref().map_or_else(|failure| failure.status, |()| HershStatus::Ok);
                // SAFETY: contract, pointers: there is room for as many as there are tickets.
                unsafe { statuses.add(at).write(status) }
            }
            first = first.and(answer);
        }
        first
    })
}

/// The tickets of an array of C.
///
/// # Safety
/// `tickets` is NULL or points to `count` handles.
pub(super) unsafe fn tickets_of(
    tickets: *const *const HershNewTicket,
    count: usize,
    argument: &str,
) -> Answer<Vec<NewTicket>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if tickets.is_null() {
        return Err(null(argument));
    }
    if count > MOST {
        let words = format_args!("count: at most {MOST} tickets at once");
        return Err(Failure::new(HershStatus::InvalidArgument, words));
    }
    // SAFETY: the caller vouches for as many.
    (0..count).map(|at| given(unsafe { *tickets.add(at) })).collect()
}
