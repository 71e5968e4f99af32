//! What comes out of the reducer: what the body is to do, and what is to be remembered.

use std::fmt;
use std::sync::Arc;

use super::message::Message;
use super::record::{MOST_LOGGED, Record};
use super::time::Time;
use super::vars::{Change, VarId};

/// One request to the body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// Run the managed function, for the brain's execution under way. Comes from `Serve` alone, and
    /// never while one runs.
    Execute,
    /// Run the cleanup function. Comes from `Serve` alone, and never beside an execution.
    CleanUp,
    /// Tell this execution that it is cancelled.
    Cancel { execution: u64 },
    /// Start to feed a variable.
    Watch(VarId),
    /// Stop to feed a variable.
    Unwatch(VarId),
    /// Accept no further messages; what was accepted is still fed.
    Close,
    /// The session is over.
    Over,
}

/// Takes what comes out of the reducer, in order. It is not asked anything and answers nothing: a
/// list serves as well as the logs themselves, and a record need not travel by way of a list.
pub(crate) trait Output {
    /// The body is to do this.
    fn effect(&mut self, effect: Effect);

    /// This happened; keep it for whoever looks later.
    fn record(&mut self, record: Record);
}

/// One run of the managed function.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    /// Counts from 1 within a session.
    pub(crate) number: u64,
    /// Counts from 1; above 1 this is a retry after a crash.
    pub(crate) attempt: u32,
    pub(crate) trigger: Trigger,
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) started: Time,
    pub(crate) deadline: Time,
}

/// Why an execution runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// The session began.
    Init,
    /// A message arrived; the context has it.
    Message,
    /// Watched variables changed: these, in the order in which they were first watched.
    Vars(Arc<[Change]>),
    /// The session ends: this is the cleanup function, not an execution.
    Cleanup,
}

impl Trigger {
    /// The names of the variables that changed; empty for the other triggers.
    pub fn vars(&self) -> impl Iterator<Item = &str> {
        self.changes().iter().map(Change::name)
    }

    /// The changes; empty for the other triggers.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Vars(changes) => changes,
            _ => &[],
        }
    }

    /// `Init`, `Message`, `Vars` or `Cleanup`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::Message => "Message",
            Self::Vars(_) => "Vars",
            Self::Cleanup => "Cleanup",
        }
    }

    /// The trigger as a log keeps it: with at most 32 changes, so that a thousand executions for a
    /// thousand variables each do not keep a million values. How many more there are.
    pub(super) fn shortened(&self) -> (Self, usize) {
        match self {
            Self::Vars(changes) if changes.len() > MOST_LOGGED => {
                (Self::Vars(changes[..MOST_LOGGED].into()), changes.len() - MOST_LOGGED)
            }
            whole => (whole.clone(), 0),
        }
    }

    pub(crate) fn includes(&self, id: VarId) -> bool {
        self.changes().binary_search_by_key(&id, |change| change.id).is_ok()
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        for (n, change) in self.changes().iter().enumerate() {
            write!(f, "{}{change}", if n == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}
