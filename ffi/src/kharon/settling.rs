//! Settling tickets from outside a handler.

use std::ffi::c_char;

use hersh::kharon::store::Filter;
use hersh::kharon::{
    ClaimToken, Kharon, Label, Lease, Options, Target, Ticket, TicketId, Timestamp, UpdateError,
};

use super::options::{HershOptions, given};
use super::{HershKharon, get};
use crate::boundary;
use crate::error::Answer;
use crate::status::HershStatus;
use crate::text::{Out, optional_text, text};

use super::claim::HERSH_NO_CLAIM;

/// Which ticket, and under which claim.
///
/// # Safety
/// `id` is a text, or NULL.
unsafe fn target(id: *const c_char, claim_token: u64) -> Answer<Target> {
    // SAFETY: the caller's duty is the same.
    let id = TicketId::new(unsafe { text(id, "id") }?)?;
    if claim_token == HERSH_NO_CLAIM {
        return Ok(Target::from(id));
    }
    let mut claimed = Ticket::bare(id, Label::default_tube(), Label::default_tube());
    claimed.lease = Some(Lease { token: ClaimToken(claim_token), until: Timestamp::NEVER });
    Ok(Target::from(&claimed))
}

fn settle(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
    settle: impl FnOnce(&Kharon, Target, Options) -> Result<(), UpdateError>,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts.
        let target = unsafe { target(id, claim_token) }?;
        Ok(settle(&kharon.kharon, target, given(options)?)?)
    })
}

/// Settles a ticket as done, and keeps it. One that repeats goes back to pending. `claim_token` is
/// that of the claim under which it is done, which must not be void (`HERSH_STATUS_STALE_CLAIM`), or
/// `HERSH_NO_CLAIM`: whoever has it. `options` may be NULL. Returns when the store has it.
/// `HERSH_STATUS_NOT_FOUND` when there is no such ticket, `HERSH_STATUS_SETTLED` when it is settled
/// already; so for all that settle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_done(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::done)
}

/// Settles a ticket as done, and removes it, unless the options keep it. Otherwise like
/// `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_ack(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::ack)
}

/// Settles a ticket as failed, and keeps it as a dead letter. Otherwise like `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_fail(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::fail)
}

/// Cancels a ticket, and removes it, unless the options keep it. A worker that has it is not
/// interrupted, but what it does with it is refused. Otherwise like `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_cancel(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::cancel)
}

/// Lets a pending ticket wait, from now, for the delay that the options name. Otherwise like
/// `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_retry(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::retry)
}

/// Brings a dead letter back: a failed or cancelled ticket is pending again, with no attempts, after
/// the delay that the options name. `HERSH_STATUS_STATE` when it is not dead. Otherwise like
/// `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_revive(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
    options: *const HershOptions,
) -> HershStatus {
    settle(kharon, id, claim_token, options, Kharon::revive)
}

/// Removes a ticket in whatever state. Otherwise like `hersh_kharon_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_delete(
    kharon: *mut HershKharon,
    id: *const c_char,
    claim_token: u64,
) -> HershStatus {
    let nothing = std::ptr::null();
    settle(kharon, id, claim_token, nothing, |kharon, target, _| kharon.delete(target))
}

/// Brings back up to `at_most` failed tickets: those of a type, a tube and a group, of which each may
/// be NULL for any. `revived` gets how many, and may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_revive_all(
    kharon: *mut HershKharon,
    kind: *const c_char,
    tube: *const c_char,
    group: *const c_char,
    at_most: usize,
    revived: *mut usize,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        // SAFETY: contract, texts and outputs.
        let (filter, out) = unsafe { (filter(kind, tube, group)?, Out::optional(revived)) };
        let count = kharon.kharon.revive_all(&filter, at_most)?;
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// Which tickets, by what C says of them.
///
/// # Safety
/// Each is a text, or NULL.
pub(super) unsafe fn filter(
    kind: *const c_char,
    tube: *const c_char,
    group: *const c_char,
) -> Answer<Filter> {
    let label = |place, argument| -> Answer<Option<Label>> {
        // SAFETY: the caller's duty is the same.
        let text = unsafe { optional_text(place, argument) }?;
        Ok(text.map(Label::new).transpose()?)
    };
    let (kind, tube, group) = (label(kind, "kind")?, label(tube, "tube")?, label(group, "group")?);
    Ok(Filter { status: None, kind, tube, group })
}
