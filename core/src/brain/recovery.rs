//! When and whether a crashed execution runs again.

use std::time::Duration;

use super::rng::Rng;

/// How a watcher recovers from crashes of its managed function.
///
/// The delay before retry `n` (counted from 1) is `retry_delay · backoff_factorⁿ⁻¹`, at most
/// `max_delay`, then moved up or down by up to `jitter` of itself. A successful execution resets
/// the count.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryPolicy {
    /// How many crashes in a row are retried; 0 turns recovery off. Default 3.
    pub max_retries: u32,
    /// The delay before the first retry. Default 1 s.
    pub retry_delay: Duration,
    /// What each further delay is multiplied by; at least 1. Default 2.0.
    pub backoff_factor: f64,
    /// The longest delay. Default 60 s.
    pub max_delay: Duration,
    /// The share of a delay, from 0 to 1, by which it may randomly differ. Default 0.
    pub jitter: f64,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            retry_delay: Duration::from_secs(1),
            backoff_factor: 2.0,
            max_delay: Duration::from_secs(60),
            jitter: 0.0,
        }
    }
}

impl RecoveryPolicy {
    /// The delay before retry `retry` (from 1), or `None` when no retry is left.
    pub(crate) fn delay(&self, retry: u32, rng: &mut Rng) -> Option<Duration> {
        if retry == 0 || retry > self.max_retries {
            return None;
        }
        let exponent = i32::try_from(retry - 1).unwrap_or(i32::MAX);
        let grown = self.retry_delay.as_secs_f64() * self.backoff_factor.powi(exponent);
        let capped = grown.min(self.max_delay.as_secs_f64());
        let factor = 1.0 + self.jitter * (2.0 * rng.unit() - 1.0);
        Some(Duration::try_from_secs_f64(capped * factor).unwrap_or(self.max_delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_by_the_factor_up_to_the_cap() {
        let policy = RecoveryPolicy {
            max_retries: 5,
            max_delay: Duration::from_secs(5),
            ..Default::default()
        };
        let mut rng = Rng::new(1);
        let delays: Vec<_> = (1..=6)
            .map(|retry| policy.delay(retry, &mut rng).map(|delay| delay.as_secs()))
            .collect();
        assert_eq!(delays, [Some(1), Some(2), Some(4), Some(5), Some(5), None]);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let policy = RecoveryPolicy { jitter: 0.25, ..Default::default() };
        let mut rng = Rng::new(7);
        for _ in 0..1000 {
            let delay = policy.delay(1, &mut rng).expect("a retry is left").as_secs_f64();
            assert!((0.75..=1.25).contains(&delay), "{delay}");
        }
    }

    #[test]
    fn absurd_exponents_end_at_the_cap() {
        let policy = RecoveryPolicy { max_retries: u32::MAX, ..Default::default() };
        assert_eq!(policy.delay(u32::MAX, &mut Rng::new(1)), Some(policy.max_delay));
    }
}
