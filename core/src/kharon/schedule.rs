//! When a periodic ticket runs, and what becomes of the runs it missed.
//!
//! Pure: a schedule says what comes after a moment. A run is due by the schedule, not by when the one
//! before it ended, so it does not drift; what was missed meanwhile is the catch-up policy's to say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cron::Cron;
use super::error::InvalidTicket;
use super::time::Timestamp;

/// The shortest time between two runs: a second.
pub const MIN_PERIOD: Duration = Duration::from_secs(1);

/// When a periodic ticket falls due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Schedule {
    /// Every so often, counted from when it first was due. At least [`MIN_PERIOD`].
    Every(Duration),
    /// By the calendar.
    Cron(Cron),
}

impl Schedule {
    /// The first time it falls due after a moment, where it was or will be due at `anchor`.
    pub fn next(&self, anchor: Timestamp, after: Timestamp) -> Timestamp {
        match self {
            Self::Every(period) => {
                let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
                if anchor > after {
                    let periods = (anchor.as_micros() - after.as_micros() - 1) / period;
                    return Timestamp::from_micros(anchor.as_micros() - periods * period);
                }
                let periods = (after.as_micros() - anchor.as_micros()) / period + 1;
                let offset = periods.saturating_mul(period);
                Timestamp::from_micros(anchor.as_micros().saturating_add(offset))
            }
            Self::Cron(cron) => cron.next(after),
        }
    }
}

impl Schedule {
    /// The last time it fell due before a moment; `None` when there was none since the epoch.
    pub fn previous(&self, anchor: Timestamp, before: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(period) => {
                // The first one at or after the moment, less one period.
                let just_before = before - Duration::from_micros(1);
                let next = self.next(anchor, just_before);
                let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1);
                next.as_micros().checked_sub(period).map(Timestamp::from_micros)
            }
            Self::Cron(cron) => cron.previous(before),
        }
    }
}

/// What becomes of runs that were missed, because no worker was there or the run before took long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CatchUp {
    /// However many were missed, one run makes up for all of them, at once.
    #[default]
    Once,
    /// A run whose successor is due already is not made up for: the next one is at its own time.
    Skip,
    /// Each is made up for, one after the other, but no more than the last so many.
    All {
        /// The most that are made up for.
        at_most: u32,
    },
}

/// How a ticket repeats.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::{CatchUp, NewTicket, Repeat};
///
/// let report = NewTicket::new("report", "send-report")?
///     .repeat(Repeat::every(Duration::from_secs(3600))?.catch_up(CatchUp::Skip));
/// assert!(report.repeat.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repeat {
    /// When it falls due.
    pub schedule: Schedule,
    /// What becomes of missed runs.
    pub catch_up: CatchUp,
    /// When the run that is waiting or running is due by its schedule. Set by the store.
    pub due: Timestamp,
}

impl Repeat {
    /// Every so often.
    ///
    /// # Errors
    /// When the period is shorter than [`MIN_PERIOD`].
    pub fn every(period: Duration) -> Result<Self, InvalidTicket> {
        if period < MIN_PERIOD {
            return Err(InvalidTicket { problem: "it repeats more often than once a second" });
        }
        Ok(Self::of(Schedule::Every(period)))
    }

    /// By the calendar, in UTC. See [`Cron`] for how it is written.
    ///
    /// # Errors
    /// When the line makes no sense.
    pub fn cron(line: &str) -> Result<Self, InvalidTicket> {
        Ok(Self::of(Schedule::Cron(line.parse()?)))
    }

    const fn of(schedule: Schedule) -> Self {
        Self { schedule, catch_up: CatchUp::Once, due: Timestamp::EPOCH }
    }

    /// What becomes of missed runs. [`CatchUp::Once`] unless said otherwise.
    #[must_use]
    pub const fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// As the text that a store keeps.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the text that a store keeps.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
