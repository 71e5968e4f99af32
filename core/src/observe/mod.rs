//! What can be seen of a watcher from outside: bounded logs and snapshots.

mod logs;
mod ring;
mod snapshot;

pub use logs::{LogEntry, LogKind, UnknownLogKind};
pub use snapshot::{MemoEntry, QueueDepths, Stats, WatchedEntry};

pub(crate) use logs::Logs;
