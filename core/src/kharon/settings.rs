//! How a Kharon works: numbers with defaults, checked when it is made.
//!
//! Each process has its own. What has to agree between the processes of one store is `process_time`, and
//! only loosely: each claim says how long it runs.

use std::fmt;
use std::time::Duration;

use super::name::Label;
use super::rules::Backoff;

/// The settings of a [`Kharon`](super::Kharon).
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::Settings;
/// let settings = Settings { workers: 10, process_time: Duration::from_secs(300), ..Settings::default() };
/// assert!(settings.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many threads run handlers. Default 4.
    pub workers: usize,
    /// The most tickets claimed at once. Default 10. Never more than there are workers, but while
    /// handlers take no more than 50 µs on average on a store with a disk or a network: there the
    /// way to the store is what takes time, and no ticket waits long behind another.
    pub batch_size: usize,
    /// How long a worker may have a ticket before others may claim it. Default 30 s.
    pub process_time: Duration,
    /// The longest time between two looks into the store. Default 15 s.
    pub max_poll_interval: Duration,
    /// The shortest time between two looks that are due to time alone. Being told of a new ticket
    /// does not wait for it. Default 10 ms.
    pub min_poll_interval: Duration,
    /// Whether to remove tickets that have expired. Default yes.
    pub expiration: bool,
    /// How long a ticket waits after a failed attempt.
    pub backoff: Backoff,
    /// After how many failed attempts a ticket is Failed for good. Default `None`: never.
    pub max_attempts: Option<u32>,
    /// How long a ticket stays after a handler returned Ok. Default `None`: until it is deleted.
    pub keep_done: Option<Duration>,
    /// The tubes to work on. Default: the tube `default`.
    pub tubes: Vec<Label>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 4,
            batch_size: 10,
            process_time: Duration::from_secs(30),
            max_poll_interval: Duration::from_secs(15),
            min_poll_interval: Duration::from_millis(10),
            expiration: true,
            backoff: Backoff::default(),
            max_attempts: None,
            keep_done: None,
            tubes: vec![Label::default_tube()],
        }
    }
}

/// The most workers, and the most tickets in a batch.
const MOST: usize = 1024;

impl Settings {
    /// Checks every field.
    ///
    /// # Errors
    /// Names the first field that makes no sense, and says why.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Backoff { base, jitter, .. } = self.backoff;
        for (field, number) in [("workers", self.workers), ("batch_size", self.batch_size)] {
            expect((1..=MOST).contains(&number), field, "must be from 1 to 1024")?;
        }
        for (field, time) in [
            ("process_time", self.process_time),
            ("max_poll_interval", self.max_poll_interval),
            ("min_poll_interval", self.min_poll_interval),
        ] {
            expect(time >= Duration::from_millis(1), field, "must be at least a millisecond")?;
        }
        expect(
            self.max_poll_interval >= self.min_poll_interval,
            "max_poll_interval",
            "must not be less than min_poll_interval",
        )?;
        expect(base.is_finite() && base >= 1.0, "backoff.base", "must be a number of at least 1")?;
        expect((0.0..=1.0).contains(&jitter), "backoff.jitter", "must be from 0 to 1")?;
        expect(self.max_attempts != Some(0), "max_attempts", "must be at least 1")?;
        expect((1..=MOST).contains(&self.tubes.len()), "tubes", "must be from 1 to 1024 tubes")
    }

    /// How many tickets are claimed at once.
    pub(super) fn batch(&self) -> usize {
        self.batch_size.min(self.workers)
    }
}

const fn expect(
    holds: bool,
    field: &'static str,
    problem: &'static str,
) -> Result<(), SettingsError> {
    if holds { Ok(()) } else { Err(SettingsError { field, problem }) }
}

/// A setting makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    /// The field, as it is written in Rust.
    pub field: &'static str,
    /// What it must be.
    pub problem: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_the_name_of_its_field() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().expect_err("nonsense").field
        };
        assert_eq!(with(|s| s.workers = 0), "workers");
        assert_eq!(with(|s| s.batch_size = 5000), "batch_size");
        assert_eq!(with(|s| s.process_time = Duration::ZERO), "process_time");
        assert_eq!(with(|s| s.max_poll_interval = Duration::from_millis(2)), "max_poll_interval");
        assert_eq!(with(|s| s.min_poll_interval = Duration::ZERO), "min_poll_interval");
        assert_eq!(with(|s| s.backoff.base = f64::NAN), "backoff.base");
        assert_eq!(with(|s| s.backoff.jitter = 2.0), "backoff.jitter");
        assert_eq!(with(|s| s.max_attempts = Some(0)), "max_attempts");
        assert_eq!(with(|s| s.tubes.clear()), "tubes");
        assert_eq!(Settings::default().batch(), 4, "capped at the workers");
    }
}
