//! How a watcher behaves: numbers with defaults, checked when the watcher is built.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "api")]
use crate::api::ApiConfig;
use crate::brain::{Policy, RecoveryPolicy};
#[cfg(feature = "journal")]
use crate::journal::Journal;
#[cfg(feature = "persist")]
use crate::persist::Persist;

/// The configuration of a watcher.
///
/// ```
/// use std::time::Duration;
/// let config = hersh::Config { default_timeout: Duration::from_secs(2), ..Default::default() };
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How long an execution may take before its context says cancelled. Default 5 s.
    pub default_timeout: Duration,
    /// How long `stop()` waits for a running execution, and then for the cleanup. Default 10 s.
    pub stop_timeout: Duration,
    /// How many user messages may wait. Default 1024.
    pub signal_capacity: usize,
    /// How many entries each log keeps. Default 1000.
    pub max_log_entries: usize,
    /// How many memos a session may have. Default 100.
    pub max_memo_entries: usize,
    /// How many variables may be watched at one time. Default 1000.
    pub max_watches: usize,
    /// What happens after a crash.
    pub recovery: RecoveryPolicy,
    /// Where context values are kept between sessions and processes. Default nowhere.
    #[cfg(feature = "persist")]
    pub persist: Option<Persist>,
    /// Where every input is recorded, so that it can be replayed. Default nowhere.
    #[cfg(feature = "journal")]
    pub journal: Option<Journal>,
    /// How the WatcherAPI is served from the first start on. Default not at all, for a process may
    /// have many watchers.
    #[cfg(feature = "api")]
    pub api: Option<ApiConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_timeout: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(10),
            signal_capacity: 1024,
            max_log_entries: 1000,
            max_memo_entries: 100,
            max_watches: 1000,
            recovery: RecoveryPolicy::default(),
            #[cfg(feature = "persist")]
            persist: None,
            #[cfg(feature = "journal")]
            journal: None,
            #[cfg(feature = "api")]
            api: None,
        }
    }
}

/// The most that a queue, a log or a table may be configured to hold.
const MOST: usize = 1 << 24;

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    /// Names the first field that makes no sense, and says why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self { recovery, .. } = self;
        positive("default_timeout", self.default_timeout)?;
        positive("stop_timeout", self.stop_timeout)?;
        for (field, size) in [
            ("signal_capacity", self.signal_capacity),
            ("max_log_entries", self.max_log_entries),
            ("max_memo_entries", self.max_memo_entries),
            ("max_watches", self.max_watches),
        ] {
            expect((1..=MOST).contains(&size), field, "must be from 1 to 16,777,216")?;
        }
        #[cfg(feature = "journal")]
        if let Some(journal) = &self.journal {
            expect(journal.max_bytes >= 4096, "journal.max_bytes", "must be at least 4,096")?;
            expect(journal.keep <= 10_000, "journal.keep", "must be at most 10,000")?;
            expect(journal.path.file_name().is_some(), "journal.path", "must name a file")?;
        }
        #[cfg(feature = "persist")]
        if let Some(persist) = &self.persist {
            expect(persist.path.file_name().is_some(), "persist.path", "must name a file")?;
        }
        let factor = recovery.backoff_factor;
        expect(
            factor.is_finite() && factor >= 1.0,
            "recovery.backoff_factor",
            "must be a number of at least 1",
        )?;
        expect(
            (0.0..=1.0).contains(&recovery.jitter),
            "recovery.jitter",
            "must be a number from 0 to 1",
        )?;
        expect(
            recovery.max_delay >= recovery.retry_delay,
            "recovery.max_delay",
            "must not be less than recovery.retry_delay",
        )
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            execution_timeout: self.default_timeout,
            stop_timeout: self.stop_timeout,
            recovery: self.recovery.clone(),
        }
    }
}

fn positive(field: &'static str, duration: Duration) -> Result<(), ConfigError> {
    expect(!duration.is_zero(), field, "must be longer than zero")
}

const fn expect(
    holds: bool,
    field: &'static str,
    problem: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { field, problem }) }
}

/// A field of the configuration makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, as it is written in Rust.
    pub field: &'static str,
    /// What it must be.
    pub problem: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_the_name_of_its_field() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().expect_err("nonsense").field
        };
        assert_eq!(with(|c| c.default_timeout = Duration::ZERO), "default_timeout");
        assert_eq!(with(|c| c.stop_timeout = Duration::ZERO), "stop_timeout");
        assert_eq!(with(|c| c.signal_capacity = 0), "signal_capacity");
        assert_eq!(with(|c| c.max_log_entries = usize::MAX), "max_log_entries");
        assert_eq!(with(|c| c.max_memo_entries = 0), "max_memo_entries");
        assert_eq!(with(|c| c.max_watches = 0), "max_watches");
        assert_eq!(with(|c| c.recovery.backoff_factor = f64::NAN), "recovery.backoff_factor");
        assert_eq!(with(|c| c.recovery.backoff_factor = 0.5), "recovery.backoff_factor");
        assert_eq!(with(|c| c.recovery.jitter = -0.1), "recovery.jitter");
        assert_eq!(with(|c| c.recovery.max_delay = Duration::ZERO), "recovery.max_delay");
        #[cfg(feature = "journal")]
        assert_eq!(with(|c| c.journal = Some(Journal::to(""))), "journal.path");
        #[cfg(feature = "persist")]
        assert_eq!(with(|c| c.persist = Some(Persist::to("folder/.."))), "persist.path");
    }
}
