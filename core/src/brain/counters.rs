//! What a session counts.

use std::sync::Arc;

/// Numbers of one session; they begin anew with `start()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Runs of the managed function that began, retries among them.
    pub executions: u64,
    /// Executions that returned a normal error.
    pub errors: u64,
    /// Executions that ended in a Crash error or a panic.
    pub crashes: u64,
    /// Retries that began after a crash.
    pub retries: u64,
    /// Executions that were still running at their deadline.
    pub timeouts: u64,
    /// Ticks that were skipped because a poll or its update was still pending.
    pub skipped_ticks: u64,
    /// Polls that failed.
    pub watch_errors: u64,
    /// Events that came in a state that does not know them.
    pub state_faults: u64,
    /// The words of the last error of an execution.
    pub last_error: Option<Arc<str>>,
}
