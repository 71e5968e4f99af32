//! What to do when a program's container ends by itself: rules as data, time as data.
use serde::{Deserialize, Serialize};

use super::state::Millis;

/// When a container that ended by itself is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartMode {
    /// Never: the program stays in Error until its owner starts it.
    #[default]
    Never,
    /// When it ended with another code than 0, never became Ready, or stopped answering for good.
    OnFailure,
    /// Whatever it ended with.
    Always,
}

/// A restart mode with its backoff and limit.
///
/// The n-th restart in a row waits `base_ms · 2^(n-1)`, at most `cap_ms`; a run of at least
/// `stable_ms` ends the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// When to restart at all.
    pub mode: RestartMode,
    /// Restarts in a row before the program is left in Error.
    pub limit: u32,
    /// The first wait, in milliseconds.
    pub base_ms: u64,
    /// The longest wait, in milliseconds.
    pub cap_ms: u64,
    /// A run this long, in milliseconds, counts as stable.
    pub stable_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::with_mode(RestartMode::Never)
    }
}

impl RestartPolicy {
    /// The mode with the usual figures: 10 restarts, from 1 s to 1 min apart, stable after 1 min.
    pub fn with_mode(mode: RestartMode) -> Self {
        Self { mode, limit: 10, base_ms: 1_000, cap_ms: 60_000, stable_ms: 60_000 }
    }

    /// How long to wait before the next restart, or none when there is to be none.
    ///
    /// `failed` tells an end in failure from an exit with code 0; `restarts` counts those already
    /// made in this row.
    pub(super) fn delay(&self, failed: bool, restarts: u32) -> Option<u64> {
        let wanted = match self.mode {
            RestartMode::Never => false,
            RestartMode::OnFailure => failed,
            RestartMode::Always => true,
        };
        if !wanted || restarts >= self.limit {
            return None;
        }
        let doubled = 1_u64.checked_shl(restarts).unwrap_or(u64::MAX);
        Some(self.base_ms.saturating_mul(doubled).min(self.cap_ms))
    }

    /// Whether a run from `since` to `until` ends a row of restarts.
    pub(super) fn was_stable(&self, since: Millis, until: Millis) -> bool {
        until.saturating_sub(since) >= self.stable_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_end_at_the_limit() {
        let policy = RestartPolicy { limit: 8, ..RestartPolicy::with_mode(RestartMode::OnFailure) };
        let waits: Vec<_> = (0..9).map(|n| policy.delay(true, n)).collect();
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60].map(|s| Some(s * 1000));
        assert_eq!(waits[..8], seconds);
        assert_eq!(waits[8], None);
    }

    #[test]
    fn modes_differ_in_what_they_count_as_a_reason() {
        let delays = |mode| {
            let policy = RestartPolicy::with_mode(mode);
            (policy.delay(true, 0).is_some(), policy.delay(false, 0).is_some())
        };
        assert_eq!(delays(RestartMode::Never), (false, false));
        assert_eq!(delays(RestartMode::OnFailure), (true, false));
        assert_eq!(delays(RestartMode::Always), (true, true));
    }

    #[test]
    fn a_huge_row_of_restarts_does_not_overflow() {
        let policy =
            RestartPolicy { limit: u32::MAX, ..RestartPolicy::with_mode(RestartMode::Always) };
        assert_eq!(policy.delay(true, 4_000_000), Some(60_000));
    }
}
