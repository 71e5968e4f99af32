//! What can happen to a watcher: the only input of the reducer.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::record::Ending;
use super::time::Time;
use super::value::Value;
use super::vars::{VarId, WatchKind};

/// One input. A journal of these, with their times, determines everything the brain did.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// `start()` was called; the session ends by itself when it expires.
    Start { expires: Option<Time> },
    /// A user message was accepted.
    Message(Arc<Message>),
    /// The managed function watches a variable that it did not watch before.
    Watch(Declaration),
    /// The managed function no longer watches a variable.
    Unwatch(VarId),
    /// A poll, a flow or a timer has news of a variable.
    Var(VarId, Input),
    /// So many ticks of a variable were skipped: its poll or its last update was still pending.
    Skipped(VarId, u64),
    /// Everything that had arrived has been fed: begin the next piece of work, if one is due.
    Serve,
    /// The managed function returned.
    Returned { execution: u64, ending: Ending },
    /// The cleanup function returned, or there is none.
    CleanedUp { problem: Option<String> },
    /// Somebody asks for a graceful end.
    Stop(StopRequest),
    /// Somebody asks for an immediate end.
    Kill { reason: Arc<str> },
    /// Time has passed: look at the deadlines.
    Elapsed,
}

impl Event {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Message(_) => "message",
            Self::Watch(_) => "watch",
            Self::Unwatch(_) => "unwatch",
            Self::Var(..) => "variable",
            Self::Skipped(..) => "skipped tick",
            Self::Serve => "serve",
            Self::Returned { .. } => "returned",
            Self::CleanedUp { .. } => "cleaned up",
            Self::Stop(_) => "stop",
            Self::Kill { .. } => "kill",
            Self::Elapsed => "elapsed",
        }
    }
}

/// A request for a graceful end.
#[derive(Clone, Debug)]
pub(crate) struct StopRequest {
    /// Who asked, in words, for the log.
    pub(crate) reason: Arc<str>,
    /// Serve the queued messages first.
    pub(crate) drain: bool,
    /// How long a running execution may take to return.
    pub(crate) timeout: Duration,
}

/// The first call that names a variable.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub(crate) name: Arc<str>,
    pub(crate) kind: WatchKind,
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
}

/// News of a variable.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A value; whether it counts as a change depends on the kind of the variable.
    Value(Value),
    /// A value that counts as a change, as its source has found.
    Changed(Value),
    /// The poll succeeded, and its source has found no change.
    Same,
    /// The poll failed; the last value stays.
    Failed(Arc<str>),
    /// The source of a flow is closed; the last value stays.
    Closed,
}

impl Input {
    /// The value it brings, if it brings one.
    pub(crate) const fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) | Self::Changed(value) => Some(value),
            Self::Same | Self::Failed(_) | Self::Closed => None,
        }
    }
}
