//! What to say when a ticket is settled.

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;

use hersh::kharon::Options;

use crate::boundary;
use crate::error::Answer;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, lock, raw, text};

/// What to say when a ticket is settled. Where options are asked for, NULL says nothing.
///
/// May be used from any thread, and any number of times. Free it with `hersh_options_free`.
pub struct HershOptions {
    options: Mutex<Options>,
}

handle_of!(HershOptions, Options);

/// The options that C gave; NULL are none.
pub(super) fn given(options: *const HershOptions) -> Answer<Options> {
    if options.is_null() {
        return Ok(Options::new());
    }
    Ok(lock(&handle::get(options, "options")?.options).clone())
}

fn say(options: *mut HershOptions, say: impl FnOnce(Options) -> Answer<Options>) -> HershStatus {
    boundary::status(|| {
        let options = handle::get(options, "options")?;
        let mut options = lock(&options.options);
        *options = say(options.clone())?;
        Ok(())
    })
}

/// Makes options that say nothing. Free them with `hersh_options_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_options_new(options: *mut *mut HershOptions) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(options, "options") }?;
        out.set(handle::insert(HershOptions { options: Mutex::default() })?);
        Ok(())
    })
}

/// Frees options. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_options_free(options: *mut HershOptions) -> HershStatus {
    boundary::status(|| handle::take(options, "options").map(drop))
}

/// Removes the ticket so long after; until then it is kept.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_options_set_expire_in_ms(
    options: *mut HershOptions,
    milliseconds: u64,
) -> HershStatus {
    say(options, |options| Ok(options.expire_in(Duration::from_millis(milliseconds))))
}

/// Keeps the ticket where it would be removed.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_options_set_keep(options: *mut HershOptions) -> HershStatus {
    say(options, |options| Ok(options.keep()))
}

/// Says why. At most 4 KiB of it are kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_options_set_error_reason(
    options: *mut HershOptions,
    reason: *const c_char,
) -> HershStatus {
    // SAFETY: contract, texts.
    say(options, |options| Ok(options.error_reason(unsafe { text(reason, "reason") }?)))
}

/// Lets a retry, or a revived ticket, wait.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_options_set_delay_ms(
    options: *mut HershOptions,
    milliseconds: u64,
) -> HershStatus {
    say(options, |options| Ok(options.delay(Duration::from_millis(milliseconds))))
}

/// Gives a retry another place in the order: lower goes first.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_options_set_nice(options: *mut HershOptions, nice: i32) -> HershStatus {
    say(options, |options| Ok(options.nice(nice)))
}

/// Gives the ticket another payload: a result, or how far it came. The bytes are copied; any will
/// do, and none, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_options_set_payload(
    options: *mut HershOptions,
    payload: *const u8,
    length: usize,
) -> HershStatus {
    // SAFETY: contract, bytes.
    say(options, |options| Ok(options.payload(unsafe { raw(payload, length, "payload") }?)))
}
