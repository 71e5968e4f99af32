//! Functions and data that C hands over.

use std::ffi::{c_char, c_void};

use crate::context::HershContext;
use crate::poll::HershPoll;

/// Frees what a `user_data` points to, when hersh will not use it any more. Called once, on
/// whatever thread was the last to need it; it must not call hersh.
pub type HershFreeFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A managed function. `message` is the text of the message that triggered this execution and NULL
/// when there is none; it and `context` are valid until the function returns. Answers a
/// `HershOutcome`. Called on the watcher's own thread, never twice at once.
pub type HershManagedFn = Option<
    unsafe extern "C" fn(
        message: *const c_char,
        context: *mut HershContext,
        user_data: *mut c_void,
    ) -> i32,
>;

/// A cleanup function; `context` is valid until it returns. Called on the watcher's own thread,
/// when a session has ended in good order or by its last crash.
pub type HershCleanupFn =
    Option<unsafe extern "C" fn(context: *mut HershContext, user_data: *mut c_void)>;

/// Finds the next value: gives it to `hersh_poll_set_json` and answers `HERSH_OUTCOME_OK`; or gives
/// words to `hersh_poll_set_error` and answers `HERSH_OUTCOME_ERROR`. `poll` is valid until it
/// returns. Where it is called is said at the function that takes it.
pub type HershPollFn =
    Option<unsafe extern "C" fn(poll: *mut HershPoll, user_data: *mut c_void) -> i32>;

/// Computes a memo: answers what to keep, or NULL when it failed.
pub type HershMemoFn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> *mut c_void>;

/// A pointer that C lent to hersh, with the function that takes it back.
pub(crate) struct UserData {
    data: *mut c_void,
    free: HershFreeFn,
}

// SAFETY: the contract says that what is handed over may be used from the threads that hersh names,
// one at a time; hersh itself never looks at it.
unsafe impl Send for UserData {}
// SAFETY: as above; sharing a reference gives out the pointer and nothing else.
unsafe impl Sync for UserData {}

impl UserData {
    /// Takes over `data`: from here on it is freed whatever happens.
    pub(crate) const fn new(data: *mut c_void, free: HershFreeFn) -> Self {
        Self { data, free }
    }

    pub(crate) const fn pointer(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: C gave this function for this pointer, and here is the only call.
            unsafe { free(self.data) }
        }
    }
}
