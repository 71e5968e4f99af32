//! Copies of a watcher's state, taken under a short lock and read without one.

use std::time::{Duration, SystemTime};

use crate::brain::{Counters, State, Value, WatchKind};

/// A watcher at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The state.
    pub state: State,
    /// When the session began; `None` before the first `start()`.
    pub started: Option<SystemTime>,
    /// How long the session has lasted, or lasted; zero before the first `start()`.
    pub uptime: Duration,
    /// When the state last changed.
    pub last_update: SystemTime,
    /// What the session has counted.
    pub counters: Counters,
    /// What waits.
    pub queue: QueueDepths,
}

/// How many signals of each class wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDepths {
    /// Lifecycle signals. They are obeyed by the thread that brings them, so none ever waits.
    pub manager_inner: usize,
    /// User messages.
    pub user: usize,
    /// Variables with an update that no execution has seen.
    pub var: usize,
}

/// A watched variable at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchedEntry {
    /// Its name.
    pub name: String,
    /// How it gets its values.
    pub kind: WatchKind,
    /// The name of its type.
    pub type_name: &'static str,
    /// The value that executions see.
    pub value: Option<Value>,
    /// The error of the last poll, if it failed.
    pub error: Option<String>,
    /// Ticks that were skipped.
    pub skipped: u64,
}

/// A memo at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoEntry {
    /// Its name.
    pub name: String,
    /// The name of its type.
    pub type_name: &'static str,
    /// Its debug form; `None` while it is being computed.
    pub debug: Option<String>,
    /// Its JSON form, if it is of a plain type.
    #[cfg(feature = "json")]
    pub json: Option<serde_json::Value>,
}
