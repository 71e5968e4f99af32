//! Stopping watchers from above.

use std::time::Duration;

use hersh::CancelToken;

use crate::boundary;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::Out;

/// A value for a `timeout_ms` that never passes.
pub const HERSH_FOREVER: u64 = u64::MAX;

/// Stops every watcher that has it as its parent, when it is cancelled or its time is over.
///
/// May be used from any thread. Free it with `hersh_token_free`; that cancels nothing.
pub struct HershToken {
    token: CancelToken,
}

handle_of!(HershToken, Token);

impl HershToken {
    pub(crate) const fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// A timeout as C gives it.
pub(crate) fn timeout(milliseconds: u64) -> Option<Duration> {
    (milliseconds != HERSH_FOREVER).then(|| Duration::from_millis(milliseconds))
}

/// Makes a token that is cancelled by hand, or when `timeout_ms` milliseconds have passed. Free it
/// with `hersh_token_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_token_new(
    timeout_ms: u64,
    token: *mut *mut HershToken,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(token, "token") }?;
        let token = timeout(timeout_ms).map_or_else(CancelToken::new, CancelToken::with_timeout);
        out.set(handle::insert(HershToken { token })?);
        Ok(())
    })
}

/// Frees a token. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_token_free(token: *mut HershToken) -> HershStatus {
    boundary::status(|| handle::take(token, "token").map(drop))
}

/// Asks the watchers below to stop in good order, and does not wait for them. Cancelling again is
/// fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_token_cancel(token: *mut HershToken) -> HershStatus {
    boundary::status(|| {
        handle::get(token, "token")?.token.cancel();
        Ok(())
    })
}

/// Whether it has been cancelled or its time is over; `true` when it is no token.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_token_is_cancelled(token: *const HershToken) -> bool {
    boundary::value(true, || Ok(handle::get(token, "token")?.token.is_cancelled()))
}
