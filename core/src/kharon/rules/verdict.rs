//! What becomes of a ticket by what its handler did.

use std::time::Duration;

use super::Backoff;
use crate::kharon::store::Change;
use crate::kharon::ticket::{ClaimToken, Status};

/// How the work on tickets is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// How long a ticket waits after a failed attempt.
    pub backoff: Backoff,
    /// After how many failed attempts it is Failed for good.
    pub max_attempts: Option<u32>,
    /// How long it stays when it is Done.
    pub keep_done: Option<Duration>,
}

impl Judgement {
    /// What becomes of a ticket after so many attempts, the last of which ended like this; chance
    /// is a number from 0 to 1.
    pub fn verdict(&self, ended: Result<(), String>, attempts: u32, chance: f64) -> Change {
        match ended {
            Ok(()) => Change::Finish {
                status: Status::Done,
                keep: true,
                expire_in: self.keep_done,
                reason: None,
                payload: None,
            },
            Err(reason) if self.max_attempts.is_some_and(|most| attempts >= most) => failed(reason),
            Err(reason) => Change::Retry {
                delay: self.backoff.delay(attempts, chance),
                nice: None,
                reason: Some(reason.into()),
                payload: None,
            },
        }
    }

    /// What becomes of a ticket before it is handed to a handler, having been claimed so often: one
    /// whose workers died with it every time is not tried for ever.
    pub fn forbids(&self, attempts: u32) -> Option<Change> {
        let spent = self.max_attempts.is_some_and(|most| attempts > most);
        spent.then(|| failed("no worker came to an end with it".to_owned()))
    }
}

/// The change that makes a ticket a dead letter.
pub fn failed(reason: String) -> Change {
    Change::Finish {
        status: Status::Failed,
        keep: true,
        expire_in: None,
        reason: Some(reason.into()),
        payload: None,
    }
}

/// A number from 0 up to 1 that differs from claim to claim, and is the same for the same seed and
/// claim: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
pub fn chance(seed: u64, token: ClaimToken) -> f64 {
    let mut mixed = seed.wrapping_add(token.0.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit the mantissa")]
    let numerator = (mixed >> 11) as f64;
    numerator * 2.0_f64.powi(-53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_until_the_last_attempt() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let judgement = Judgement { backoff, max_attempts: Some(2), keep_done: None };
        let fail = || Err("words".to_owned());
        let retry = judgement.verdict(fail(), 1, 0.5);
        let expected = Duration::from_millis(1500);
        assert!(matches!(retry, Change::Retry { delay, .. } if delay == expected), "{retry:?}");
        let end = judgement.verdict(fail(), 2, 0.5);
        assert!(matches!(end, Change::Finish { status: Status::Failed, keep: true, .. }));
        assert!(judgement.forbids(2).is_none());
        assert!(judgement.forbids(3).is_some());
        let never = Judgement { max_attempts: None, ..judgement };
        assert!(matches!(never.verdict(fail(), u32::MAX, 0.0), Change::Retry { .. }));
        assert!(never.forbids(u32::MAX).is_none());
    }

    #[test]
    fn chance_is_even_and_repeats_with_its_seed() {
        let draws: Vec<_> = (0..1000).map(|token| chance(7, ClaimToken(token))).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!((chance(7, ClaimToken(3)) - draws[3]).abs() < f64::EPSILON);
    }
}
