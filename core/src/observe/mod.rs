//! What can be seen of a watcher from outside: bounded logs and snapshots.

mod logs;
mod ring;
mod signals;
mod snapshot;

pub use logs::{LogEntry, LogKind, UnknownLogKind};
pub use signals::{SignalClass, SignalEntry};
pub use snapshot::{MemoEntry, QueueDepths, Stats, WatchedEntry};

pub(crate) use logs::Logs;
#[cfg(feature = "api")]
pub(crate) use logs::{Entry, News};
pub(crate) use signals::{Signal, Signals};
