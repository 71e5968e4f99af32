//! Errors on their way to C: a number, and words that stay with the thread.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt::Display;

use hersh::{JournalError, PersistError, ReplayError};

use crate::status::HershStatus;

/// Why a function did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: HershStatus,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn new(status: HershStatus, words: impl Display) -> Self {
        Self { status, words: words.to_string() }
    }
}

pub(crate) type Answer<T = ()> = Result<T, Failure>;

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Keeps the words for `hersh_last_error_message`.
pub(crate) fn remember(failure: &Failure) {
    let words = crate::text::terminated(&failure.words);
    // A thread that is ending has nobody left to read them.
    let _ = LAST.try_with(|last| last.replace(Some(words)));
}

/// The words of the last call on this thread that did not succeed; NULL when there was none.
/// Valid until the next call on this thread that does not succeed. Calls that succeed, `_free`
/// among them, leave it as it is.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_last_error_message() -> *const c_char {
    let words = LAST.try_with(|last| last.borrow().as_ref().map(|words| words.as_ptr()));
    words.ok().flatten().unwrap_or(std::ptr::null())
}

impl From<hersh::StartError> for Failure {
    fn from(error: hersh::StartError) -> Self {
        use hersh::StartError as E;
        let status = match &error {
            E::State(_) => HershStatus::State,
            E::NotManaged => HershStatus::NotManaged,
            E::ParentCancelled => HershStatus::ParentCancelled,
            E::Persist(problem) => persisting(problem),
            E::Journal(problem) => journalling(problem),
            E::Replay(problem) => replaying(problem),
            E::Diverged(_) => HershStatus::Mismatch,
            _ => HershStatus::Os,
        };
        Self::new(status, error)
    }
}

fn persisting(problem: &PersistError) -> HershStatus {
    match problem {
        PersistError::Io { .. } => HershStatus::Os,
        _ => HershStatus::Unreadable,
    }
}

fn journalling(problem: &JournalError) -> HershStatus {
    match problem {
        JournalError::Io { .. } => HershStatus::Os,
        _ => HershStatus::Unreadable,
    }
}

fn replaying(problem: &ReplayError) -> HershStatus {
    match problem {
        ReplayError::Journal(problem) => journalling(problem),
        ReplayError::Config(_) => HershStatus::Config,
        ReplayError::Again => HershStatus::State,
        ReplayError::Report { .. } => HershStatus::Os,
        _ => HershStatus::Mismatch,
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        Self::new(replaying(&error), error)
    }
}

impl From<hersh::ApiError> for Failure {
    fn from(error: hersh::ApiError) -> Self {
        Self::new(HershStatus::Os, error)
    }
}

impl From<hersh::SendError> for Failure {
    fn from(error: hersh::SendError) -> Self {
        let status = match &error {
            hersh::SendError::QueueFull { .. } => HershStatus::QueueFull,
            _ => HershStatus::NotRunning,
        };
        Self::new(status, error)
    }
}

impl From<hersh::WatchError> for Failure {
    fn from(error: hersh::WatchError) -> Self {
        use hersh::WatchError as E;
        let status = match &error {
            E::Mismatch { .. } => HershStatus::Mismatch,
            E::Limit { .. } => HershStatus::Limit,
            E::ZeroPeriod { .. } => HershStatus::InvalidArgument,
            _ => HershStatus::NotRunning,
        };
        Self::new(status, error)
    }
}

impl From<hersh::ValueError> for Failure {
    fn from(error: hersh::ValueError) -> Self {
        use hersh::ValueError as E;
        let status = match &error {
            E::Update(_) => HershStatus::Callback,
            E::Contended { .. } => HershStatus::Contended,
            _ => HershStatus::Mismatch,
        };
        Self::new(status, error)
    }
}

impl<E: Display> From<hersh::MemoError<E>> for Failure {
    fn from(error: hersh::MemoError<E>) -> Self {
        use hersh::MemoError as E;
        let status = match &error {
            E::Limit { .. } => HershStatus::Limit,
            E::Recursive { .. } => HershStatus::Recursive,
            E::Compute(_) => HershStatus::Callback,
            _ => HershStatus::Mismatch,
        };
        Self::new(status, error)
    }
}

impl From<hersh::ConfigError> for Failure {
    fn from(error: hersh::ConfigError) -> Self {
        Self::new(HershStatus::Config, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(HershStatus::InvalidJson, error)
    }
}
