//! How a SQLite store is opened.

use std::time::Duration;

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, and the loss of power: every change waits for the disk
    /// (`synchronous=FULL`).
    #[default]
    Full,
    /// The end of the process alone, `kill -9` included. After a loss of power the last changes may
    /// be missing, but the file is whole (`synchronous=NORMAL`).
    Normal,
}

/// How a SQLite store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// What an acknowledged change survives. [`Durability::Full`] unless said otherwise.
    pub durability: Durability,
    /// How long to wait for another process that writes, before a call fails as
    /// [`Unavailable`](crate::kharon::StoreFault::Unavailable). 10 s unless said otherwise.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { durability: Durability::Full, busy_timeout: Duration::from_secs(10) }
    }
}
