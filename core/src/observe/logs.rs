//! The six logs of a watcher.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::ring::Ring;
use crate::brain::{Ending, Record, Time};

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogKind {
    /// Changes of state.
    Reduce,
    /// Executions that began.
    Effect,
    /// Executions that ended.
    EffectResult,
    /// Polls that failed and sources that closed.
    WatchError,
    /// What the managed function wrote with `Context::log`.
    Context,
    /// Events that came in a state that does not know them.
    StateFault,
}

impl LogKind {
    /// All logs.
    pub const ALL: [Self; 6] = [
        Self::Reduce,
        Self::Effect,
        Self::EffectResult,
        Self::WatchError,
        Self::Context,
        Self::StateFault,
    ];

    /// The name that the WatcherAPI uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reduce => "reduce",
            Self::Effect => "effect",
            Self::EffectResult => "effect_result",
            Self::WatchError => "watch_error",
            Self::Context => "context",
            Self::StateFault => "state_fault",
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogKind {
    type Err = UnknownLogKind;

    fn from_str(name: &str) -> Result<Self, UnknownLogKind> {
        let named = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        named.ok_or_else(|| UnknownLogKind(name.to_owned()))
    }
}

/// There is no log of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLogKind(pub String);

impl fmt::Display for UnknownLogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = LogKind::ALL.map(LogKind::as_str).join(", ");
        write!(f, "there is no log named {:?}; the logs are {names}", self.0)
    }
}

impl std::error::Error for UnknownLogKind {}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Counts from 1 within its log, across sessions.
    pub id: u64,
    /// Which log.
    pub kind: LogKind,
    /// When, on the watcher's clock.
    pub at: SystemTime,
    /// What happened.
    pub text: String,
}

/// An entry as it is kept: a fact and a time; words are made when somebody reads.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    at: Time,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Fact(Record),
    Words(Arc<str>),
}

/// All six rings of one watcher.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    rings: [Ring<Entry>; LogKind::ALL.len()],
}

impl Logs {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { rings: std::array::from_fn(|_| Ring::new(capacity)) }
    }

    pub(crate) fn record(&mut self, at: Time, record: Record) {
        let kind = match &record {
            Record::Transition(_) => LogKind::Reduce,
            Record::Began { .. } => LogKind::Effect,
            Record::Ended { .. } | Record::TimedOut { .. } => LogKind::EffectResult,
            Record::WatchError { .. } => LogKind::WatchError,
            Record::Fault(_) => LogKind::StateFault,
        };
        self.rings[kind as usize].push(Entry { at, what: What::Fact(record) });
    }

    pub(crate) fn write(&mut self, at: Time, words: &str) {
        let what = What::Words(Arc::from(words));
        self.rings[LogKind::Context as usize].push(Entry { at, what });
    }

    /// Copies the newest entries of a log, so that they can be rendered without a lock.
    pub(crate) fn tail(&self, kind: LogKind, limit: usize) -> Vec<(u64, Entry)> {
        self.rings[kind as usize].tail(limit).map(|(id, entry)| (id, entry.clone())).collect()
    }
}

impl Entry {
    pub(crate) const fn at(&self) -> Time {
        self.at
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Words(words) => f.write_str(words),
            What::Fact(record) => record.fmt(f),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition(transition) => transition.fmt(f),
            Self::Began { execution, attempt, trigger, message } => {
                write!(f, "execution {execution} begins (attempt {attempt}): {trigger}")?;
                message.map_or(Ok(()), |id| write!(f, " {id}"))
            }
            Self::Ended { execution, ending, took, timed_out } => {
                let late = if *timed_out { ", past its deadline" } else { "" };
                write!(f, "execution {execution} {ending} after {took:?}{late}")
            }
            Self::TimedOut { execution } => write!(f, "execution {execution} is past its deadline"),
            Self::WatchError { name, error } => write!(f, "{name}: {error}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("succeeded"),
            Self::Failed(words) => write!(f, "failed: {words}"),
            Self::Stop(words) => write!(f, "asked to stop: {words}"),
            Self::Kill(words) => write!(f, "asked to be killed: {words}"),
            Self::Crash(words) => write!(f, "crashed: {words}"),
            Self::Panicked(words) => write!(f, "panicked: {words}"),
        }
    }
}
