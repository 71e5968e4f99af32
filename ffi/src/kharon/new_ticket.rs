//! Tickets that are to be added.

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use hersh::kharon::{CatchUp, Label, NewTicket, Repeat};

use crate::boundary;
use crate::error::Answer;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, lock, numbered, optional_text, raw, tell, text};

/// A ticket that is to be added: a piece of work, with an id, a type by which its handler is chosen,
/// and a payload of any bytes.
///
/// May be used from any thread, and added to any number of Kharons. Free it with
/// `hersh_new_ticket_free`.
pub struct HershNewTicket {
    ticket: Mutex<NewTicket>,
}

handle_of!(HershNewTicket, NewTicket);

/// What becomes of runs that a repeating ticket missed. The numbers are explicit and never used
/// again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershCatchUp {
    /// However many were missed, one run makes up for all of them, at once.
    Once = 0,
    /// A run whose successor is due already is not made up for.
    Skip = 1,
    /// Each is made up for, one after the other, but no more than the last so many.
    All = 2,
}

impl HershNewTicket {
    pub(super) fn ticket(&self) -> NewTicket {
        lock(&self.ticket).clone()
    }
}

/// A ticket that C gave.
pub(super) fn given(ticket: *const HershNewTicket) -> Answer<NewTicket> {
    Ok(handle::get(ticket, "ticket")?.ticket())
}

fn change(
    ticket: *mut HershNewTicket,
    change: impl FnOnce(NewTicket) -> Answer<NewTicket>,
) -> HershStatus {
    boundary::status(|| {
        let ticket = handle::get(ticket, "ticket")?;
        let mut ticket = lock(&ticket.ticket);
        *ticket = change(ticket.clone())?;
        Ok(())
    })
}

/// Makes a ticket of a type. `id` tells it from every other in its store; NULL: a random one is made
/// up. Names have from 1 to 255 bytes and no control characters: else
/// `HERSH_STATUS_INVALID_ARGUMENT`. Free it with `hersh_new_ticket_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_new(
    id: *const c_char,
    kind: *const c_char,
    ticket: *mut *mut HershNewTicket,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, texts and outputs.
        let (id, kind, out) =
            unsafe { (optional_text(id, "id")?, text(kind, "kind")?, Out::new(ticket, "ticket")?) };
        let ticket = match id {
            Some(id) => NewTicket::new(id, kind)?,
            None => NewTicket::random(kind)?,
        };
        out.set(handle::insert(HershNewTicket { ticket: Mutex::new(ticket) })?);
        Ok(())
    })
}

/// Frees a ticket; what was added stays. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_new_ticket_free(ticket: *mut HershNewTicket) -> HershStatus {
    boundary::status(|| handle::take(ticket, "ticket").map(drop))
}

/// Its id. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_id(
    ticket: *const HershNewTicket,
    id: *mut *mut c_char,
) -> HershStatus {
    tell(id, "id", || Ok(given(ticket)?.id))
}

/// What it carries: any bytes, at most 16 MiB of them, which are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_set_payload(
    ticket: *mut HershNewTicket,
    payload: *const u8,
    length: usize,
) -> HershStatus {
    // SAFETY: contract, bytes.
    change(ticket, |ticket| Ok(ticket.payload(unsafe { raw(payload, length, "payload") }?)))
}

/// Its place in the order: lower goes first. Default 512.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_new_ticket_set_nice(ticket: *mut HershNewTicket, nice: i32) -> HershStatus {
    change(ticket, |ticket| Ok(ticket.nice(nice)))
}

/// Runs so long after it was added.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_new_ticket_set_delay_ms(
    ticket: *mut HershNewTicket,
    milliseconds: u64,
) -> HershStatus {
    change(ticket, |ticket| Ok(ticket.delay(Duration::from_millis(milliseconds))))
}

/// Runs at a moment, in milliseconds since the Unix epoch.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_new_ticket_set_run_at_ms(
    ticket: *mut HershNewTicket,
    unix_ms: u64,
) -> HershStatus {
    change(ticket, |ticket| Ok(ticket.runat(UNIX_EPOCH + Duration::from_millis(unix_ms))))
}

/// Waits in a tube, of which a Kharon works on those that it is told to. Default `"default"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_set_tube(
    ticket: *mut HershNewTicket,
    tube: *const c_char,
) -> HershStatus {
    // SAFETY: contract, texts.
    change(ticket, |ticket| Ok(ticket.tube(Label::new(unsafe { text(tube, "tube") }?)?)))
}

/// Belongs to a group, which must be open when it is added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_set_group(
    ticket: *mut HershNewTicket,
    group: *const c_char,
) -> HershStatus {
    // SAFETY: contract, texts.
    change(ticket, |ticket| Ok(ticket.group(Label::new(unsafe { text(group, "group") }?)?)))
}

/// Is the only pending one with this key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_set_unique_key(
    ticket: *mut HershNewTicket,
    key: *const c_char,
) -> HershStatus {
    // SAFETY: contract, texts.
    change(ticket, |ticket| Ok(ticket.unique_key(Label::new(unsafe { text(key, "key") }?)?)))
}

/// What becomes of missed runs, as C says it.
fn catch_up(number: i32, at_most: u32) -> Answer<CatchUp> {
    let known = [
        (HershCatchUp::Once as i32, CatchUp::Once),
        (HershCatchUp::Skip as i32, CatchUp::Skip),
        (HershCatchUp::All as i32, CatchUp::All { at_most }),
    ];
    numbered(number, &known, "catch_up")
}

/// Runs again and again, each `period_ms` milliseconds, at least 1,000. `missed` is a
/// `HershCatchUp`; `at_most` counts for `HERSH_CATCH_UP_ALL` alone.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_new_ticket_set_repeat_ms(
    ticket: *mut HershNewTicket,
    period_ms: u64,
    missed: i32,
    at_most: u32,
) -> HershStatus {
    change(ticket, |ticket| {
        let repeat = Repeat::every(Duration::from_millis(period_ms))?;
        Ok(ticket.repeat(repeat.catch_up(catch_up(missed, at_most)?)))
    })
}

/// Runs again and again by the calendar, in UTC, as a line of cron says: `minute hour day-of-month
/// month day-of-week`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Otherwise like
/// `hersh_new_ticket_set_repeat_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_new_ticket_set_repeat_cron(
    ticket: *mut HershNewTicket,
    line: *const c_char,
    missed: i32,
    at_most: u32,
) -> HershStatus {
    change(ticket, |ticket| {
        // SAFETY: contract, texts.
        let repeat = Repeat::cron(unsafe { text(line, "line") }?)?;
        Ok(ticket.repeat(repeat.catch_up(catch_up(missed, at_most)?)))
    })
}
