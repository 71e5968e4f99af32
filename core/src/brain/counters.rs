//! What a session counts.

use std::sync::Arc;
use std::time::Duration;

/// Numbers of one session; they begin anew with `start()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Runs of the managed function that began, retries among them.
    pub executions: u64,
    /// Executions that returned a normal error.
    pub errors: u64,
    /// Executions that ended in a Crash error or a panic.
    pub crashes: u64,
    /// Retries that began after a crash.
    pub retries: u64,
    /// Executions that were still running at their deadline.
    pub timeouts: u64,
    /// Ticks that were skipped because a poll or its update was still pending.
    pub skipped_ticks: u64,
    /// Polls that failed.
    pub watch_errors: u64,
    /// Events that came in a state that does not know them.
    pub state_faults: u64,
    /// The words of the last error of an execution.
    pub last_error: Option<Arc<str>>,
    /// How long executions took.
    pub execution_time: Histogram,
}

/// Durations, counted by powers of two of a microsecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BUCKETS],
    sum: Duration,
}

impl Histogram {
    /// The number of buckets: the last but one ends at about 34 s, the last is open.
    pub const BUCKETS: usize = 27;

    /// Counts a duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // 0 µs and 1 µs share the first bucket; 2ⁿ µs is the upper end of bucket n, inclusive.
        let bucket = (u64::BITS - micros.saturating_sub(1).leading_zeros()) as usize;
        self.counts[bucket.min(Self::BUCKETS - 1)] += 1;
        self.sum += duration;
    }

    /// Upper end (inclusive; `None` for the open bucket) and count of each bucket, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let end =
            |bucket| (bucket + 1 < Self::BUCKETS).then(|| Duration::from_micros(1_u64 << bucket));
        self.counts.iter().enumerate().map(move |(bucket, count)| (end(bucket), *count))
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations.
    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_below_the_end_of_its_bucket() {
        for micros in [0, 1, 2, 3, 4, 5, 1000, 1024, 1025, 33_554_432, 33_554_433, 1 << 40] {
            let mut histogram = Histogram::default();
            let duration = Duration::from_micros(micros);
            histogram.add(duration);
            let ends: Vec<_> = histogram.buckets().collect();
            let bucket = ends.iter().position(|(_, count)| *count == 1).expect("counted once");
            assert!(ends[bucket].0.is_none_or(|end| duration <= end), "{micros}");
            let below = bucket.checked_sub(1).and_then(|below| ends[below].0);
            assert!(below.is_none_or(|end| duration > end), "{micros}");
            assert_eq!((histogram.count(), histogram.sum()), (1, duration));
        }
    }
}
