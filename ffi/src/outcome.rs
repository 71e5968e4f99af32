//! What a callback answers.

use hersh::ManagedError;

/// What a callback answers. `hersh_context_error`, `_stop`, `_kill` and `_crash` give the number
/// together with the words, so that a managed function can write
/// `return hersh_context_stop(context, "the user asked");`
///
/// A managed function that answers a number that is not among these has failed with an error.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershOutcome {
    /// It did what it was for.
    Ok = 0,
    /// A normal error: it is logged and counted, and the watcher goes on.
    Error = 1,
    /// End in good order: the cleanup runs, the state becomes `HERSH_STATE_STOPPED`.
    Stop = 2,
    /// End at once: no cleanup, the state becomes `HERSH_STATE_KILLED`.
    Kill = 3,
    /// Crash: run again after a delay if retries are left, else `HERSH_STATE_CRASHED`.
    Crash = 4,
}

/// What a managed function meant by the number it returned.
pub(crate) fn meant(number: i32, reason: Option<&str>) -> Result<(), ManagedError> {
    let words = |otherwise: &str| reason.unwrap_or(otherwise).to_owned();
    if number == HershOutcome::Ok as i32 {
        Ok(())
    } else if number == HershOutcome::Stop as i32 {
        Err(ManagedError::stop(words("the managed function asked to stop")))
    } else if number == HershOutcome::Kill as i32 {
        Err(ManagedError::kill(words("the managed function asked to be killed")))
    } else if number == HershOutcome::Crash as i32 {
        Err(ManagedError::crash(words("the managed function crashed")))
    } else {
        Err(words(&format!("the managed function returned {number}")).into())
    }
}
