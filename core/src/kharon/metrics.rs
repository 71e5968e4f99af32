//! What a Kharon counts and measures.
//!
//! Counters that only grow, read by anybody without a lock. They belong to the process, not to the store:
//! they begin at zero with it, and say what this Kharon did.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::store::{Change, StoreStats};
use super::ticket::Status;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Count {
    /// Tickets added.
    Added,
    /// Tickets claimed by the workers.
    Claimed,
    /// Tickets settled as Done.
    Done,
    /// Tickets settled as Failed.
    Failed,
    /// Tickets cancelled.
    Cancelled,
    /// Tickets that wait for another attempt.
    Retried,
    /// Claimed tickets that were given back.
    Released,
    /// Dead letters brought back.
    Revived,
    /// Tickets deleted.
    Deleted,
    /// Tickets removed because they had expired.
    Expired,
    /// Runs of periodic tickets that were left out.
    Skipped,
    /// Claims that were extended.
    Extended,
    /// Changes refused because the claim was void.
    Stale,
    /// Handlers that panicked.
    Panicked,
    /// Calls that the store could not serve.
    StoreErrors,
    /// Results given up because the store did not take them while their claims ran.
    Lost,
}

impl Count {
    const ALL: [(Self, &'static str); 16] = [
        (Self::Added, "added"),
        (Self::Claimed, "claimed"),
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Cancelled, "cancelled"),
        (Self::Retried, "retried"),
        (Self::Released, "released"),
        (Self::Revived, "revived"),
        (Self::Deleted, "deleted"),
        (Self::Expired, "expired"),
        (Self::Skipped, "skipped"),
        (Self::Extended, "extended"),
        (Self::Stale, "stale"),
        (Self::Panicked, "panicked"),
        (Self::StoreErrors, "store_errors"),
        (Self::Lost, "lost"),
    ];

    pub(super) fn of(change: &Change) -> Self {
        match change {
            Change::Finish { status: Status::Failed, .. } => Self::Failed,
            Change::Finish { status: Status::Cancelled, .. } => Self::Cancelled,
            Change::Finish { .. } => Self::Done,
            Change::Retry { .. } => Self::Retried,
            Change::Release => Self::Released,
            Change::Extend { .. } => Self::Extended,
            Change::Skip => Self::Skipped,
            Change::Revive { .. } => Self::Revived,
            Change::Delete => Self::Deleted,
        }
    }
}

/// The upper bounds of a histogram's buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn render(&self, text: &mut String, name: &str, help: &str) {
        let mut count = 0;
        let mut lines = String::new();
        for (at, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS.get(at).map_or("+Inf".to_owned(), |bound| seconds(*bound));
            _ = writeln!(lines, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = seconds(self.micros.load(Ordering::Relaxed));
        _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        _ = writeln!(text, "{lines}{name}_sum {sum}\n{name}_count {count}");
    }
}

/// Microseconds as seconds, without rounding.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// What one Kharon has counted and measured since it was made.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: [AtomicU64; Count::ALL.len()],
    waited: Histogram,
    handled: Histogram,
}

impl Metrics {
    /// How often something happened.
    pub fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: Count, times: usize) {
        if times > 0 {
            self.counts[count as usize].fetch_add(times as u64, Ordering::Relaxed);
        }
    }

    /// A claimed ticket had been ready for so long.
    pub(super) fn waited(&self, time: Duration) {
        self.waited.record(time);
    }

    /// A handler took so long.
    pub(super) fn handled(&self, time: Duration) {
        self.handled.record(time);
    }

    pub(super) fn render(&self, stats: &StoreStats) -> String {
        let mut text = String::from(
            "# HELP kharon_events_total What happened to tickets.\n\
             # TYPE kharon_events_total counter\n",
        );
        for (count, name) in Count::ALL {
            _ = writeln!(text, "kharon_events_total{{event=\"{name}\"}} {}", self.get(count));
        }
        text.push_str("# HELP kharon_tickets Tickets in the store.\n# TYPE kharon_tickets gauge\n");
        for (status, number) in [
            ("pending", stats.pending),
            ("done", stats.done),
            ("failed", stats.failed),
            ("cancelled", stats.cancelled),
        ] {
            _ = writeln!(text, "kharon_tickets{{status=\"{status}\"}} {number}");
        }
        _ = writeln!(
            text,
            "# HELP kharon_claimed Pending tickets under a claim.\n# TYPE kharon_claimed gauge\n\
             kharon_claimed {}",
            stats.claimed
        );
        let help = "Time from ready to claimed.";
        self.waited.render(&mut text, "kharon_wait_seconds", help);
        let help = "Time that handlers took.";
        self.handled.render(&mut text, "kharon_handle_seconds", help);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_place() {
        let metrics = Metrics::default();
        for (at, (count, name)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, at, "{name}");
            metrics.add(count, at + 1);
            assert_eq!(metrics.get(count), at as u64 + 1);
        }
    }

    #[test]
    fn a_histogram_is_cumulative_and_has_a_sum() {
        let metrics = Metrics::default();
        metrics.handled(Duration::from_micros(50));
        metrics.handled(Duration::from_millis(2));
        metrics.handled(Duration::from_secs(60));
        let text = metrics.render(&StoreStats::default());
        for line in [
            "kharon_handle_seconds_bucket{le=\"0.000050\"} 1",
            "kharon_handle_seconds_bucket{le=\"0.002500\"} 2",
            "kharon_handle_seconds_bucket{le=\"30.000000\"} 2",
            "kharon_handle_seconds_bucket{le=\"+Inf\"} 3",
            "kharon_handle_seconds_sum 60.002050",
            "kharon_handle_seconds_count 3",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
