//! How many tickets of a type may run: at once, and in a time.

use std::time::Duration;

use crate::kharon::time::Timestamp;

/// A limit on tickets of one type, within one Kharon.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::Limit;
/// let limit = Limit::concurrency(2).rate(100, Duration::from_secs(60));
/// assert_eq!(limit.concurrency, Some(2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The most that run at once.
    pub concurrency: Option<usize>,
    /// The most that begin in a time. They may all begin at its start.
    pub rate: Option<(u32, Duration)>,
}

impl Limit {
    /// So many at once.
    pub const fn concurrency(most: usize) -> Self {
        Self { concurrency: Some(most), rate: None }
    }

    /// So many in such a time.
    pub const fn per(most: u32, time: Duration) -> Self {
        Self { concurrency: None, rate: Some((most, time)) }
    }

    /// Also so many in such a time.
    #[must_use]
    pub const fn rate(mut self, most: u32, time: Duration) -> Self {
        self.rate = Some((most, time));
        self
    }
}

/// A limit, and how far it is used up: a count of those that run, and a token bucket that is full
/// at first.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    limit: Limit,
    running: usize,
    /// How much of the rate is used, as the time it takes to come back.
    used: Duration,
    since: Timestamp,
}

impl Meter {
    /// Nothing used yet.
    pub const fn new(limit: Limit) -> Self {
        Self { limit, running: 0, used: Duration::ZERO, since: Timestamp::EPOCH }
    }

    /// How many more may begin at this moment, at most `most`; and if it is the rate that allows
    /// none, how long until it allows one.
    pub fn budget(&self, most: usize, now: Timestamp) -> (usize, Option<Duration>) {
        let slots = self.limit.concurrency.map_or(most, |most| most.saturating_sub(self.running));
        let slots = slots.min(most);
        let Some((times, cost)) = self.cost() else { return (slots, None) };
        let used = self.used_at(now);
        let window = cost * times;
        let left = window.saturating_sub(used).as_nanos() / cost.as_nanos().max(1);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let wait = (left == 0).then(|| (used + cost).saturating_sub(window));
        (slots.min(left), wait)
    }

    /// One begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.running += 1;
        if let Some((_, cost)) = self.cost() {
            self.used = self.used_at(now) + cost;
            self.since = now;
        }
    }

    /// One has ended. Whether another may begin only now because of it.
    pub fn end(&mut self) -> bool {
        let was_full = self.limit.concurrency.is_some_and(|most| self.running >= most);
        self.running = self.running.saturating_sub(1);
        was_full
    }

    /// How many the rate allows in its time, and which part of the time each takes.
    fn cost(&self) -> Option<(u32, Duration)> {
        let (times, time) = self.limit.rate?;
        Some((times, time / times.max(1)))
    }

    fn used_at(&self, now: Timestamp) -> Duration {
        self.used.saturating_sub(now.since(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn so_many_run_at_once() {
        let mut meter = Meter::new(Limit::concurrency(2));
        let now = Timestamp::from_micros(1);
        assert_eq!(meter.budget(9, now), (2, None));
        meter.begin(now);
        meter.begin(now);
        assert_eq!(meter.budget(9, now), (0, None));
        assert!(meter.end());
        assert!(!meter.end());
        assert_eq!(meter.budget(1, now), (1, None));
    }

    proptest! {
        /// Whenever they ask, no more begin in any stretch of time than the rate and one fullness
        /// of the bucket allow; and after the wait that is told, one may.
        #[test]
        fn a_rate_is_never_exceeded(waits in proptest::collection::vec(0..400_u64, 1..200)) {
            let (most, time) = (5, Duration::from_secs(1));
            let mut meter = Meter::new(Limit::per(most, time));
            let mut now = Timestamp::from_micros(1_000_000);
            let mut begun = Vec::new();
            for wait in waits {
                now = now + Duration::from_millis(wait);
                let (budget, again) = meter.budget(100, now);
                if let Some(again) = again {
                    prop_assert_eq!(budget, 0);
                    prop_assert!(meter.budget(100, now + again).0 >= 1);
                }
                for _ in 0..budget {
                    meter.begin(now);
                    begun.push(now);
                }
            }
            for (at, first) in begun.iter().enumerate() {
                for (later, last) in begun.iter().enumerate().skip(at) {
                    let allowed = f64::from(most) * (1.0 + last.since(*first).as_secs_f64());
                    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                    let count = (later - at + 1) as f64;
                    prop_assert!(count <= allowed + 0.01, "{count} in {:?}", last.since(*first));
                }
            }
        }
    }
}
