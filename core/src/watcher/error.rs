//! What can go wrong, one small type per family of calls.

use std::fmt;
use std::io;
use std::time::Duration;

use super::report::StopReport;
#[cfg(feature = "api")]
use crate::api::ApiError;
use crate::brain::State;
#[cfg(feature = "journal")]
use crate::journal::{Divergence, JournalError, ReplayError};
#[cfg(feature = "persist")]
use crate::persist::PersistError;

/// What a managed function returns when it does not succeed.
///
/// Three of them control the watcher; any other error is logged and counted, and the watcher goes
/// on. Errors of any type turn into [`ManagedError::Other`] with `?`.
///
/// ```
/// use hersh::ManagedError;
/// fn managed(content: &str) -> Result<(), ManagedError> {
///     if content == "stop" {
///         return Err(ManagedError::stop("the user asked"));
///     }
///     let _number: i32 = content.parse()?;
///     Ok(())
/// }
/// assert!(matches!(managed("x"), Err(ManagedError::Other(_))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ManagedError {
    /// End in good order: cleanup runs, the state becomes `Stopped`.
    Stop(String),
    /// End at once: no cleanup, the state becomes `Killed`.
    Kill(String),
    /// Crash: run again after a delay if retries are left, else end as `Crashed`.
    Crash(String),
    /// A normal error: logged and counted.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl ManagedError {
    /// Asks for a graceful end.
    pub fn stop(reason: impl Into<String>) -> Self {
        Self::Stop(reason.into())
    }

    /// Asks for an immediate end.
    pub fn kill(reason: impl Into<String>) -> Self {
        Self::Kill(reason.into())
    }

    /// Asks for recovery.
    pub fn crash(reason: impl Into<String>) -> Self {
        Self::Crash(reason.into())
    }
}

// `ManagedError` itself is no `std::error::Error`, so that this can cover all that are.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for ManagedError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Why a watcher could not be started, or its functions not be set.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Only a watcher that was never started, or that was stopped, can be started.
    State(State),
    /// No managed function has been set.
    NotManaged,
    /// The parent has been cancelled already.
    ParentCancelled,
    /// The machine refused a thread. The watcher is `Stopped` now and can be started again.
    Thread(io::Error),
    /// The persisted values could not be restored.
    #[cfg(feature = "persist")]
    Persist(PersistError),
    /// The journal could not be begun.
    #[cfg(feature = "journal")]
    Journal(JournalError),
    /// The process is asked to replay a journal, and it cannot be replayed to its end.
    #[cfg(feature = "journal")]
    Replay(ReplayError),
    /// The process is asked to replay a journal, and the function has left the recorded way.
    #[cfg(feature = "journal")]
    Diverged(Divergence),
    /// The process is asked to replay a journal, and was built without the feature `journal`.
    #[cfg(not(feature = "journal"))]
    NoJournal,
    /// The WatcherAPI could not be served: a port that is taken, for one.
    #[cfg(feature = "api")]
    Api(ApiError),
    /// The handlers for SIGINT and SIGTERM could not be installed.
    OsSignals(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => write!(
                f,
                "the watcher is {state}; only one that is NotRun or Stopped can be set up or started"
            ),
            Self::NotManaged => f.write_str("nothing to run: set a managed function first"),
            Self::ParentCancelled => f.write_str("the parent has been cancelled already"),
            Self::Thread(error) => write!(f, "the machine refused a thread: {error}"),
            #[cfg(feature = "persist")]
            Self::Persist(error) => error.fmt(f),
            #[cfg(feature = "journal")]
            Self::Journal(error) => error.fmt(f),
            #[cfg(feature = "journal")]
            Self::Replay(error) => error.fmt(f),
            #[cfg(feature = "journal")]
            Self::Diverged(divergence) => {
                write!(f, "the replay did not go the recorded way: {divergence}")
            }
            #[cfg(not(feature = "journal"))]
            Self::NoJournal => f.write_str(
                "HERSH_REPLAY asks for a replay, for which the library must be built with its \
                 feature `journal`: build it so, or unset the variable",
            ),
            #[cfg(feature = "api")]
            Self::Api(error) => error.fmt(f),
            Self::OsSignals(error) => {
                write!(f, "SIGINT and SIGTERM could not be caught: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread(error) | Self::OsSignals(error) => Some(error),
            #[cfg(feature = "persist")]
            Self::Persist(error) => Some(error),
            #[cfg(feature = "journal")]
            Self::Journal(error) => Some(error),
            #[cfg(feature = "journal")]
            Self::Replay(error) => Some(error),
            #[cfg(feature = "api")]
            Self::Api(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a message was not accepted. The message is handed back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages wait as the configuration allows.
    QueueFull {
        /// The message.
        content: String,
        /// `signal_capacity`.
        capacity: usize,
    },
    /// The watcher is not running, or is about to end.
    NotRunning {
        /// The message.
        content: String,
        /// What it is instead.
        state: State,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { capacity, .. } => write!(
                f,
                "{capacity} messages wait already: send again later, or raise signal_capacity"
            ),
            Self::NotRunning { state, .. } => {
                write!(f, "the watcher takes no messages now: it is {state}")
            }
        }
    }
}

impl std::error::Error for SendError {}

/// Why `stop()` did not stop the watcher in good order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StopError {
    /// The managed function cannot wait for its own end.
    Inside,
    /// The function or the cleanup did not return in time; the watcher is `Killed`.
    TimedOut {
        /// How long each was given.
        timeout: Duration,
        /// What was left.
        report: StopReport,
    },
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside => f.write_str(
                "stop() waits for the managed function and so cannot be called from inside it: \
                 return ManagedError::stop instead",
            ),
            Self::TimedOut { timeout, .. } => write!(
                f,
                "the managed function or the cleanup did not return within {timeout:?}; \
                 the watcher was killed"
            ),
        }
    }
}

impl std::error::Error for StopError {}

/// Why a variable cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The name stands for something else.
    Mismatch {
        /// The name.
        name: String,
        /// What it stands for: the call and the type.
        existing: String,
        /// What was asked for.
        requested: String,
    },
    /// As many variables are watched as the configuration allows.
    Limit {
        /// The name that was one too many.
        name: String,
        /// `max_watches`.
        max_watches: usize,
    },
    /// A variable that is polled or timed needs a period longer than zero.
    ZeroPeriod {
        /// The name.
        name: String,
    },
    /// No execution is under way that could watch anything.
    NotRunning {
        /// The name.
        name: String,
    },
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { name, existing, requested } => write!(
                f,
                "{name:?} is watched as {existing} and cannot be {requested} too: \
                 choose another name, or unwatch it first"
            ),
            Self::Limit { name, max_watches } => write!(
                f,
                "{name:?} would be one more than {max_watches} watched variables: \
                 unwatch some, or raise max_watches"
            ),
            Self::ZeroPeriod { name } => {
                write!(f, "{name:?} needs a period longer than zero")
            }
            Self::NotRunning { name } => {
                write!(f, "{name:?} cannot be watched: its session or its execution is over")
            }
        }
    }
}

impl std::error::Error for WatchError {}

/// Why a memo is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoError<E = std::convert::Infallible> {
    /// The name stands for a value of another type.
    Mismatch {
        /// The name.
        name: String,
        /// The type of its value.
        existing: &'static str,
        /// The type that was asked for.
        requested: &'static str,
    },
    /// The session has as many memos as the configuration allows.
    Limit {
        /// The name that was one too many.
        name: String,
        /// `max_memo_entries`.
        max_memo_entries: usize,
    },
    /// The computation of a memo asked for that same memo.
    Recursive {
        /// The name.
        name: String,
    },
    /// The computation failed; nothing was kept.
    Compute(E),
}

impl<E: fmt::Display> fmt::Display for MemoError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { name, existing, requested } => {
                write!(f, "memo {name:?} holds a {existing}, not a {requested}")
            }
            Self::Limit { name, max_memo_entries } => write!(
                f,
                "memo {name:?} would be one more than {max_memo_entries}: \
                 clear some, or raise max_memo_entries"
            ),
            Self::Recursive { name } => {
                write!(f, "the computation of memo {name:?} asks for {name:?} itself")
            }
            Self::Compute(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for MemoError<E> {}

/// Why a context value cannot be read or updated.
#[derive(Debug)]
#[non_exhaustive]
pub enum ValueError {
    /// The value cannot be read as this type.
    Mismatch {
        /// The key.
        key: String,
        /// The type of the value.
        existing: &'static str,
        /// The type that was asked for.
        requested: &'static str,
    },
    /// The update function failed; the value is what it was.
    Update(Box<dyn std::error::Error + Send + Sync>),
    /// Every attempt at an update met another one: an update function that sets its own key, or
    /// very many threads.
    Contended {
        /// The key.
        key: String,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { key, existing, requested } => {
                write!(f, "value {key:?} is a {existing}, not a {requested}")
            }
            Self::Update(error) => write!(f, "the update failed: {error}"),
            Self::Contended { key } => write!(
                f,
                "value {key:?} changed during every attempt to update it: \
                 does the update function set {key:?} itself?"
            ),
        }
    }
}

impl std::error::Error for ValueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Update(error) => Some(&**error),
            _ => None,
        }
    }
}
