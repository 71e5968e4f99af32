//! What the brain wants remembered: facts, with what changed and nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::effect::Trigger;
use super::state::State;

/// The most variables that are kept in a log for one execution.
pub(super) const MOST_LOGGED: usize = 32;

/// Something that happened, as the brain saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// The state changed.
    Transition(Transition),
    /// An execution begins, for this reason; of many changes some, and how many more there are.
    Began { execution: u64, attempt: u32, trigger: Trigger, more: usize, message: Option<u64> },
    /// An execution ended.
    Ended { execution: u64, ending: Ending, took: Duration, timed_out: bool },
    /// An execution is past its deadline.
    TimedOut { execution: u64 },
    /// A poll failed, or a source closed.
    WatchError { name: Arc<str>, error: Arc<str> },
    /// An event that its state does not know; nothing changed.
    Fault(StateFault),
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

impl Transition {
    /// The transition as a log keeps it, if that is not the whole: with 32 names, so that a thousand
    /// executions for a thousand variables each do not keep a million of them.
    #[inline]
    pub(crate) fn shortened(&self) -> Option<Self> {
        match &self.cause {
            Cause::Vars { names, more } if names.len() > MOST_LOGGED => {
                let more = more + names.len() - MOST_LOGGED;
                let cause = Cause::Vars { names: names[..MOST_LOGGED].into(), more };
                Some(Self { from: self.from, to: self.to, cause })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, cause } = self;
        write!(f, "{from} -> {to}: {cause}")
    }
}

/// Why a state changed or an execution began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// `start()`.
    Start,
    /// The message with this id.
    Message(u64),
    /// These watched variables, in the order in which they were first watched. Of more than 32 a log
    /// names the first, and counts the others; a trace names all.
    Vars {
        /// Their names.
        names: Arc<[Arc<str>]>,
        /// How many more there are, which are not named here.
        more: usize,
    },
    /// The managed function returned.
    Returned,
    /// The managed function returned a normal error.
    Failed,
    /// A Stop error, `stop()` or the parent, with the reason given.
    Stop(Arc<str>),
    /// A Kill error or `kill()`, with the reason given.
    Kill(Arc<str>),
    /// A Crash error or a panic, with its words.
    Crash(Arc<str>),
    /// This retry of a crashed execution.
    Retry(u32),
    /// The function or its cleanup did not return in time while stopping.
    StopTimeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Message(id) => write!(f, "message {id}"),
            Self::Vars { names, more: 0 } => write!(f, "variables {}", names.join(", ")),
            Self::Vars { names, more } => {
                write!(f, "variables {}, and {more} more", names.join(", "))
            }
            Self::Returned => f.write_str("returned"),
            Self::Failed => f.write_str("returned an error"),
            Self::Stop(reason) => write!(f, "stop: {reason}"),
            Self::Kill(reason) => write!(f, "kill: {reason}"),
            Self::Crash(reason) => write!(f, "crash: {reason}"),
            Self::Retry(retry) => write!(f, "retry {retry}"),
            Self::StopTimeout => f.write_str("did not end within the stop timeout"),
        }
    }
}

/// How an execution ended, with the words of its error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Ok.
    Done,
    /// A normal error.
    Failed(Arc<str>),
    /// A Stop error.
    Stop(Arc<str>),
    /// A Kill error.
    Kill(Arc<str>),
    /// A Crash error.
    Crash(Arc<str>),
    /// A panic.
    Panicked(Arc<str>),
}

/// An event that the table of states does not allow. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFault {
    /// The state in which it came.
    pub state: State,
    /// What came.
    pub event: &'static str,
}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not possible in state {}", self.event, self.state)
    }
}

impl std::error::Error for StateFault {}

impl Ending {
    /// The words of an error; a Stop error is a wish, not an error.
    pub(super) fn words(&self) -> Option<Arc<str>> {
        match self {
            Self::Done | Self::Stop(_) => None,
            Self::Failed(words)
            | Self::Kill(words)
            | Self::Crash(words)
            | Self::Panicked(words) => Some(Arc::clone(words)),
        }
    }
}
