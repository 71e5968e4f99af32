//! The threaded runtime under thousands of schedules, with the modelled threads of [`crate::sync`].
//!
//! `make test` explores a thousand random schedules of each scenario, `make soak` a hundred thousand:
//! other seeds give other schedules (`HERSH_SCHEDULES_SEED`). Whatever the schedule, executions never
//! overlap, no message is lost or out of order, every call returns, every thread ends, and an end is
//! final.
//!
//! Data races proper are the compiler's to exclude: there is no unsafe code in this crate. The tools that
//! look for them at work cannot see std's locks, which are made of atomics and futex calls: helgrind
//! knows those of pthread alone, and ThreadSanitizer needs a std built for it, which stable has not. Both
//! report everything that a lock guards.

mod ending;
mod looking;
mod sending;
mod watching;
mod witness;

use std::time::Duration;

use crate::scale::scaled;
use crate::sync::explore;
use crate::{Config, RecoveryPolicy};

/// Explores a scenario.
pub(crate) fn explored(scenario: impl Fn() + Send + Sync + 'static) {
    let seed = scaled("HERSH_SCHEDULES_SEED", 1);
    let schedules = scaled("HERSH_SOAK_SCHEDULES", 1000);
    explore(u64::from(seed), schedules as usize, scenario);
}

/// Small, and with every wait short against the others': which of them passes first is the schedule's.
fn small() -> Config {
    Config {
        default_timeout: Duration::from_secs(2),
        stop_timeout: Duration::from_secs(3),
        signal_capacity: 2,
        recovery: RecoveryPolicy {
            max_retries: 2,
            retry_delay: Duration::from_secs(1),
            ..RecoveryPolicy::default()
        },
        ..Config::default()
    }
}
