//! The six logs of a watcher.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::ring::Ring;
use crate::brain::{Change, Ending, Record, Time, Value};

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
    /// Counts from 1 through all logs together.
    place: u64,
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
    /// The place of the newest entry.
    written: u64,
    /// The highest place of an entry that is gone: behind it, nothing is missing.
    gone: u64,
    /// Whether somebody waits for the next entry.
    #[cfg(feature = "api")]
    awaited: bool,
}

/// What a follower of all logs has not read yet.
#[cfg(feature = "api")]
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// How many entries between the last read and the first of these it has missed.
    pub(crate) missed: u64,
    /// Where to go on after these.
    pub(crate) place: u64,
    /// In the order in which they were written, with the ids that they have in their logs.
    pub(crate) entries: Vec<(LogKind, u64, Entry)>,
}

impl Logs {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            rings: std::array::from_fn(|_| Ring::new(capacity)),
            written: 0,
            gone: 0,
            #[cfg(feature = "api")]
            awaited: false,
        }
    }

    #[expect(clippy::inline_always, reason = "each caller records one kind of record")]
    #[inline(always)]
    pub(crate) fn record(&mut self, at: Time, record: Record) {
        if let Record::Transition(transition) = &record
            && let Some(shortened) = transition.shortened()
        {
            return self.push(LogKind::Reduce, at, What::Fact(Record::Transition(shortened)));
        }
        let kind = match &record {
            Record::Transition(_) => LogKind::Reduce,
            Record::Began { .. } => LogKind::Effect,
            Record::Ended { .. } | Record::TimedOut { .. } => LogKind::EffectResult,
            Record::WatchError { .. } => LogKind::WatchError,
            Record::Fault(_) => LogKind::StateFault,
        };
        self.push(kind, at, What::Fact(record));
    }

    pub(crate) fn write(&mut self, at: Time, words: &str) {
        self.push(LogKind::Context, at, What::Words(Arc::from(words)));
    }

    #[expect(clippy::inline_always, reason = "an entry is made where it stays, not moved there")]
    #[inline(always)]
    fn push(&mut self, kind: LogKind, at: Time, what: What) {
        self.written += 1;
        let ring = &mut self.rings[kind as usize];
        if let Some(leaving) = ring.leaving() {
            self.gone = self.gone.max(leaving.place);
        }
        ring.push(Entry { place: self.written, at, what });
    }

    /// The values in the changes that executions began for.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        let began = self.rings[LogKind::Effect as usize].tail(usize::MAX);
        let changes = began.flat_map(|(_, entry)| match &entry.what {
            What::Fact(Record::Began { trigger, .. }) => trigger.changes(),
            _ => &[],
        });
        changes.flat_map(Change::values)
    }

    /// Copies the newest entries of a log, so that they can be rendered without a lock.
    pub(crate) fn tail(&self, kind: LogKind, limit: usize) -> Vec<(u64, Entry)> {
        self.rings[kind as usize].tail(limit).map(|(id, entry)| (id, entry.clone())).collect()
    }
}

/// For those who follow all logs at once.
#[cfg(feature = "api")]
impl Logs {
    /// The most entries that are copied at one time, so that nobody waits long for the lock.
    const PAGE: usize = 64;

    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    pub(crate) const fn is_awaited(&self) -> bool {
        self.awaited
    }

    pub(crate) const fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// Copies the entries that come next after the one at place `after`. Where some are gone
    /// already, it goes on behind the last that is.
    pub(crate) fn after(&self, after: u64) -> News {
        let from = after.max(self.gone);
        let mut entries: Vec<_> = LogKind::ALL
            .into_iter()
            .flat_map(|kind| {
                let new = self.rings[kind as usize].since(|entry| entry.place <= from);
                new.take(Self::PAGE).map(move |(id, entry)| (kind, id, entry))
            })
            .collect();
        entries.sort_unstable_by_key(|(_, _, entry)| entry.place);
        entries.truncate(Self::PAGE);
        let place = entries.last().map_or(from, |(_, _, entry)| entry.place);
        let entries = entries.into_iter().map(|(kind, id, entry)| (kind, id, entry.clone()));
        News { missed: from - after, place, entries: entries.collect() }
    }
}

#[cfg(feature = "api")]
impl Entry {
    pub(crate) const fn place(&self) -> u64 {
        self.place
    }

    /// The fact; `None` for words.
    pub(crate) const fn fact(&self) -> Option<&Record> {
        match &self.what {
            What::Fact(record) => Some(record),
            What::Words(_) => None,
        }
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
            Self::Began { execution, attempt, trigger, more, message } => {
                write!(f, "execution {execution} begins (attempt {attempt}): {trigger}")?;
                if *more > 0 {
                    write!(f, ", and {more} more")?;
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brain::{Cause, State, Transition};

    #[test]
    fn of_many_variables_that_changed_together_a_log_names_the_first() {
        let names: Arc<[Arc<str>]> = (0..1000).map(|n| Arc::from(n.to_string())).collect();
        for (changed, text_end) in [(1, "variables 0"), (32, "30, 31"), (1000, "31, and 968 more")]
        {
            let cause = Cause::Vars { names: names[..changed].into(), more: 0 };
            let (from, to) = (State::Ready, State::Running);
            let mut logs = Logs::new(1);
            logs.record(Time::ZERO, Record::Transition(Transition { from, to, cause }));
            let (_, entry) = &logs.tail(LogKind::Reduce, 1)[0];
            assert!(entry.to_string().ends_with(text_end), "{entry}");
            let What::Fact(Record::Transition(Transition {
                cause: Cause::Vars { names, more },
                ..
            })) = &entry.what
            else {
                panic!("{entry:?}");
            };
            assert_eq!((names.len(), names.len() + more), (changed.min(32), changed));
        }
    }
}

#[cfg(all(test, feature = "api"))]
mod following_tests {
    use super::*;

    fn written(lines: u64, capacity: usize) -> Logs {
        let mut logs = Logs::new(capacity);
        for line in 1..=lines {
            let fault = crate::brain::StateFault { state: crate::State::NotRun, event: "stop" };
            match line % 3 {
                0 => logs.record(Time::ZERO, Record::Fault(fault)),
                _ => logs.write(Time::ZERO, &line.to_string()),
            }
        }
        logs
    }

    fn places(news: &News) -> Vec<u64> {
        news.entries.iter().map(|(_, _, entry)| entry.place()).collect()
    }

    #[test]
    fn a_follower_reads_all_logs_in_one_order_page_by_page() {
        let logs = written(200, 1000);
        let (mut place, mut read) = (0, Vec::new());
        while place < logs.written() {
            let news = logs.after(place);
            assert!(news.missed == 0 && news.place > place);
            place = news.place;
            read.extend(places(&news));
        }
        assert_eq!(read, (1..=200).collect::<Vec<_>>());
        assert!(logs.after(200).entries.is_empty());
    }

    #[test]
    fn what_a_follower_missed_is_counted_and_missed_once() {
        // Of the words, 20 and older are gone; of the faults, 12 and older.
        let logs = written(30, 6);
        let news = logs.after(5);
        assert_eq!(news.missed, 15);
        assert_eq!(places(&news), (21..=30).collect::<Vec<_>>());
        assert_eq!(logs.after(news.place).missed, 0);
    }
}
