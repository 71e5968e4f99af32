//! Groups: tickets that are finished together.

use std::ffi::c_char;

use hersh::kharon::{GroupError, Kharon, Label, NewGroup, TicketId};
use serde_json::json;

use super::adding::tickets_of;
use super::new_ticket::HershNewTicket;
use super::{HershKharon, get};
use crate::boundary;
use crate::error::Failure;
use crate::status::HershStatus;
use crate::text::{tell, text};
use crate::token::timeout;

/// Opens a group, to which tickets can then be added. When it is closed and none of them is pending
/// any more, it is finished and its finalizers run: `count` tickets, at most 16; `finalizers` may be
/// NULL when there are none. The group is forgotten `expire_in_ms` milliseconds after it is finished;
/// `HERSH_FOREVER`: after a day, as by default. `HERSH_STATUS_EXISTS` when there is one of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_open_group(
    kharon: *mut HershKharon,
    name: *const c_char,
    finalizers: *const *const HershNewTicket,
    count: usize,
    expire_in_ms: u64,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts and pointers.
        let (name, finalizers) =
            unsafe { (text(name, "name")?, tickets_of(finalizers, count, "finalizers")?) };
        let mut group = NewGroup::new(name)?;
        group.finalizers = finalizers;
        if let Some(expire_in) = timeout(expire_in_ms) {
            group = group.expire_in(expire_in);
        }
        Ok(kharon.kharon.open_group(group)?)
    })
}

fn change(
    kharon: *mut HershKharon,
    name: *const c_char,
    change: impl FnOnce(&Kharon, &Label) -> Result<(), GroupError>,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts.
        let name = Label::new(unsafe { text(name, "name") }?)?;
        Ok(change(&kharon.kharon, &name)?)
    })
}

/// Takes no more tickets into a group. `HERSH_STATUS_NOT_FOUND` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_close_group(
    kharon: *mut HershKharon,
    name: *const c_char,
) -> HershStatus {
    change(kharon, name, Kharon::close_group)
}

/// Forgets a group without pending tickets; its finalizers go, if they still wait.
/// `HERSH_STATUS_STATE` while it has pending ones, `HERSH_STATUS_NOT_FOUND` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_delete_group(
    kharon: *mut HershKharon,
    name: *const c_char,
) -> HershStatus {
    change(kharon, name, Kharon::delete_group)
}

/// A group with how far it has come, as JSON: `name`, `closed`, `pending`, `done`, `failed`,
/// `cancelled`, `finalizers` (ids), `finished_at_us` (null before). Later versions may add keys. Free
/// it with `hersh_string_free`. `HERSH_STATUS_NOT_FOUND` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_group_json(
    kharon: *const HershKharon,
    name: *const c_char,
    group: *mut *mut c_char,
) -> HershStatus {
    tell(group, "group", || {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts.
        let name = Label::new(unsafe { text(name, "name") }?)?;
        let group = kharon.kharon.group(&name)?.ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("there is no group {name:?}"))
        })?;
        let ids: Vec<_> = group.finalizers.iter().map(TicketId::as_str).collect();
        Ok(json!({
            "name": group.name.as_str(),
            "closed": group.closed,
            "pending": group.progress.pending,
            "done": group.progress.done,
            "failed": group.progress.failed,
            "cancelled": group.progress.cancelled,
            "finalizers": ids,
            "finished_at_us": group.finished_at.map(hersh::kharon::Timestamp::as_micros),
        }))
    })
}
