//! A ticket in the hands of a handler.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};

use hersh::kharon::{Claim, Options, UpdateError};

use super::options::{HershOptions, given};
use super::ticket::{lend, shown};
use crate::boundary;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::outcome::HershOutcome;
use crate::status::HershStatus;
use crate::text::{lock, tell, terminated, text};

/// For settling a ticket whoever has it, rather than under a claim.
pub const HERSH_NO_CLAIM: u64 = 0;

/// A ticket that a worker has claimed, in the hands of a handler.
///
/// Belongs to the thread on which the handler was called, and lives until the handler returns; from
/// other threads it is answered with `HERSH_STATUS_WRONG_THREAD`. Texts and bytes that it lends are
/// valid until then. What a handler does not settle is settled when it returns. Whatever is done
/// under a claim whose time is over is `HERSH_STATUS_STALE_CLAIM`, because somebody else may have the
/// ticket by then.
pub struct HershClaim {
    claim: *const Claim,
    thread: ThreadId,
    reason: Mutex<Option<String>>,
    id: OnceLock<CString>,
    kind: OnceLock<CString>,
}

// SAFETY: the pointer is followed on its own thread alone: see `with`.
unsafe impl Send for HershClaim {}
// SAFETY: as above.
unsafe impl Sync for HershClaim {}

handle_of!(HershClaim, Claim);

impl HershClaim {
    /// Lends a claim. It must live as long as the handle of this does, on this thread.
    pub(super) fn lent(claim: &Claim) -> Self {
        Self {
            claim: ptr::from_ref(claim),
            thread: thread::current().id(),
            reason: Mutex::default(),
            id: OnceLock::new(),
            kind: OnceLock::new(),
        }
    }

    /// The words that came with the outcome.
    pub(super) fn reason(&self) -> Option<String> {
        lock(&self.reason).take()
    }
}

/// Does something with a claim, on its thread.
fn with<T>(
    claim: *const HershClaim,
    work: impl FnOnce(&HershClaim, &Claim) -> Answer<T>,
) -> Answer<T> {
    let known = handle::get(claim, "claim")?;
    if known.thread != thread::current().id() {
        let words = "a claim belongs to the thread on which its handler was called";
        return Err(Failure::new(HershStatus::WrongThread, words));
    }
    // SAFETY: the handle is alive, so the handler has not returned and the claim is there; it will
    // not return before this does, as this is its thread.
    work(&known, unsafe { &*known.claim })
}

fn settle(
    claim: *mut HershClaim,
    options: *const HershOptions,
    settle: impl FnOnce(&Claim, Options) -> Result<(), UpdateError>,
) -> HershStatus {
    boundary::status(|| with(claim, |_, claim| Ok(settle(claim, given(options)?)?)))
}

/// The ticket's id; NULL when it is no claim of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_id(claim: *const HershClaim) -> *const c_char {
    boundary::value(ptr::null(), || {
        with(claim, |kept, claim| {
            Ok(kept.id.get_or_init(|| terminated(claim.id.as_str())).as_ptr())
        })
    })
}

/// The ticket's type; NULL when it is no claim of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_type(claim: *const HershClaim) -> *const c_char {
    boundary::value(ptr::null(), || {
        with(claim, |kept, claim| {
            Ok(kept.kind.get_or_init(|| terminated(claim.kind.as_str())).as_ptr())
        })
    })
}

/// The bytes that the ticket carries, and how many. NULL and 0 when there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_claim_payload(
    claim: *const HershClaim,
    payload: *mut *const u8,
    length: *mut usize,
) -> HershStatus {
    // SAFETY: contract, outputs.
    boundary::status(|| with(claim, |_, claim| unsafe { lend(claim.ticket(), payload, length) }))
}

/// Counts from 1; above 1 the ticket was claimed before. 0 when it is no claim of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_attempts(claim: *const HershClaim) -> u32 {
    boundary::value(0, || with(claim, |_, claim| Ok(claim.attempts)))
}

/// Proves this claim, for somebody else who is to settle the ticket under it; `HERSH_NO_CLAIM` when
/// it is no claim of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_token(claim: *const HershClaim) -> u64 {
    boundary::value(HERSH_NO_CLAIM, || {
        with(claim, |_, claim| Ok(claim.token().map_or(HERSH_NO_CLAIM, |token| token.0)))
    })
}

/// How many milliseconds until the claim is over, and others may claim the ticket; 0 when it is no
/// claim of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_remaining_ms(claim: *const HershClaim) -> u64 {
    boundary::value(0, || {
        with(claim, |_, claim| Ok(u64::try_from(claim.remaining().as_millis()).unwrap_or(u64::MAX)))
    })
}

/// Whether the Kharon is being stopped, so that there is reason to hurry; `true` when it is no claim
/// of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_is_stopping(claim: *const HershClaim) -> bool {
    boundary::value(true, || with(claim, |_, claim| Ok(claim.is_stopping())))
}

/// The ticket as JSON, as `hersh_ticket_json` describes it. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_claim_json(
    claim: *const HershClaim,
    json: *mut *mut c_char,
) -> HershStatus {
    tell(json, "json", || with(claim, |_, claim| Ok(shown(claim.ticket()))))
}

/// The work is done. The ticket is kept; one that repeats goes back to pending. Returns when the
/// store has it. `options` may be NULL; so for all that settle.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_done(
    claim: *mut HershClaim,
    options: *const HershOptions,
) -> HershStatus {
    settle(claim, options, Claim::done)
}

/// The work is done, and the ticket is removed, unless the options keep it.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_ack(
    claim: *mut HershClaim,
    options: *const HershOptions,
) -> HershStatus {
    settle(claim, options, Claim::ack)
}

/// The work failed for good: the ticket becomes a dead letter.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_fail(
    claim: *mut HershClaim,
    options: *const HershOptions,
) -> HershStatus {
    settle(claim, options, Claim::fail)
}

/// The work is no longer wanted. The ticket is removed, unless the options keep it.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_cancel(
    claim: *mut HershClaim,
    options: *const HershOptions,
) -> HershStatus {
    settle(claim, options, Claim::cancel)
}

/// The ticket is to be tried again, after the delay that the options name.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_retry(
    claim: *mut HershClaim,
    options: *const HershOptions,
) -> HershStatus {
    settle(claim, options, Claim::retry)
}

/// Leaves the ticket claimed when the handler returns, for somebody else to settle, under the claim
/// (`hersh_claim_token`) or without. If nobody does in time, it can be claimed again.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_leave(claim: *mut HershClaim) -> HershStatus {
    boundary::status(|| {
        with(claim, |_, claim| {
            claim.leave();
            Ok(())
        })
    })
}

/// Lets the claim run for the whole process time again, from now.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_claim_extend(claim: *mut HershClaim) -> HershStatus {
    boundary::status(|| with(claim, |_, claim| Ok(claim.extend()?)))
}

/// The outcome of an attempt that failed with these words:
/// `return hersh_claim_error(claim, "no network");` Always `HERSH_OUTCOME_ERROR`; words that are NULL
/// or not UTF-8 are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_claim_error(
    claim: *mut HershClaim,
    words: *const c_char,
) -> HershOutcome {
    boundary::value(HershOutcome::Error, || {
        with(claim, |kept, _| {
            // SAFETY: contract, texts.
            let words = unsafe { text(words, "words") }?;
            *lock(&kept.reason) = Some(words.to_owned());
            Ok(HershOutcome::Error)
        })
    })
}
