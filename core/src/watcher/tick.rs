//! The values of a timer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One tick of [`Context::watch_tick`](crate::Context::watch_tick).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tick {
    /// Periods since the timer was set, skipped ones included: 1 for the first tick.
    pub count: u64,
    /// The moment for which the tick was set, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl Tick {
    pub(crate) fn new(count: u64, at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { count, unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    /// The moment for which the tick was set.
    pub fn at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_ms)
    }
}
