//! Looking at tickets.

use std::ffi::c_char;

use hersh::kharon::store::{Cursor, Filter, Page};
use serde_json::{Value as Json, json};

use super::settling::filter;
use super::ticket::{HershTicket, asked_for, shown};
use super::{HershKharon, get};
use crate::boundary;
use crate::error::Failure;
use crate::handle;
use crate::status::HershStatus;
use crate::text::{Out, tell, text};

/// The ticket of an id, as the store has it now. Free it with `hersh_ticket_free`.
/// `HERSH_STATUS_NOT_FOUND` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_get(
    kharon: *const HershKharon,
    id: *const c_char,
    ticket: *mut *mut HershTicket,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts and outputs.
        let (id, out) = unsafe { (text(id, "id")?, Out::new(ticket, "ticket")?) };
        let found = kharon.kharon.get(id)?.ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("there is no ticket {id:?}"))
        })?;
        out.set(handle::insert(HershTicket::new(found))?);
        Ok(())
    })
}

/// A part of the tickets that match, as JSON: `tickets`, an array in which each is as
/// `hersh_ticket_json` describes it, and `next`, where the listing goes on, or null at the end; a part
/// may be short, or empty, and still go on. `status` is a `HershTicketStatus`; `kind`, `tube` and
/// `group` may be NULL for any. At most `at_most` tickets are listed; `after` is NULL for the first
/// part, and points to the last part's `next` for another. Free the listing with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_list_json(
    kharon: *const HershKharon,
    status: i32,
    kind: *const c_char,
    tube: *const c_char,
    group: *const c_char,
    at_most: usize,
    after: *const u64,
    listing: *mut *mut c_char,
) -> HershStatus {
    tell(listing, "listing", || {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts.
        let filter = Filter { status: asked_for(status)?, ..unsafe { filter(kind, tube, group) }? };
        let page = Page::first(at_most);
        // SAFETY: contract, pointers.
        let page = unsafe { after.as_ref() }.map_or(page, |after| page.after(Cursor(*after)));
        let listing = kharon.kharon.list(&filter, &page)?;
        let tickets: Json = listing.tickets.iter().map(shown).collect();
        Ok(json!({ "tickets": tickets, "next": listing.next.map(|next| next.0) }))
    })
}

/// How many tickets the store has, as JSON: `pending`, `claimed` (of the pending ones), `done`,
/// `failed`, `cancelled`. Later versions may add keys. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_stats_json(
    kharon: *const HershKharon,
    stats: *mut *mut c_char,
) -> HershStatus {
    tell(stats, "stats", || {
        let stats = get(kharon)?.kharon.stats()?;
        Ok(json!({
            "pending": stats.pending,
            "claimed": stats.claimed,
            "done": stats.done,
            "failed": stats.failed,
            "cancelled": stats.cancelled,
        }))
    })
}

/// What it has counted and measured, and how many tickets the store has, in the text format of
/// Prometheus. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_prometheus(
    kharon: *const HershKharon,
    figures: *mut *mut c_char,
) -> HershStatus {
    tell(figures, "figures", || Ok(get(kharon)?.kharon.prometheus()?))
}
