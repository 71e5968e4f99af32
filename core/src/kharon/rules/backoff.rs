//! How long a ticket waits after a failed attempt.

use std::time::Duration;

/// Exponential backoff: `base` to the power of the attempts, in seconds, up to a maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// By how much each wait is longer than the one before. At least 1. Default 1.5.
    pub base: f64,
    /// The longest wait. Default 15 s.
    pub max: Duration,
    /// The part of each wait, from 0 to 1, that is left to chance, so that tickets which failed
    /// together do not come back together. Default 0.2.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: 1.5, max: Duration::from_secs(15), jitter: 0.2 }
    }
}

impl Backoff {
    /// How long to wait after so many attempts, where chance is a number from 0 to 1.
    pub fn delay(&self, attempts: u32, chance: f64) -> Duration {
        let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
        let longest = self.max.as_secs_f64();
        let wait = self.base.max(1.0).powi(exponent).min(longest);
        let kept = 1.0 - self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        Duration::try_from_secs_f64(wait * kept).unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_maximum_and_chance_only_shortens_them() {
        let backoff = Backoff::default();
        let wait = |attempts| backoff.delay(attempts, 0.0);
        assert_eq!(wait(0), Duration::from_secs(1));
        assert_eq!(wait(1), Duration::from_millis(1500));
        assert_eq!(wait(2), Duration::from_millis(2250));
        assert_eq!(wait(100), Duration::from_secs(15));
        assert_eq!(wait(u32::MAX), Duration::from_secs(15));
        assert_eq!(backoff.delay(100, 1.0), Duration::from_secs(12));
    }
}
