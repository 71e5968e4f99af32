//! The threaded runtime under thousands of schedules, with the modelled threads of [`crate::sync`].
//!
//! `make test` explores a thousand random schedules of each scenario, `make soak` a hundred thousand, which
//! takes a few minutes; `HERSH_SOAK_SCHEDULES` says how many else, and other seeds give other schedules
//! (`HERSH_SCHEDULES_SEED`). Whatever the schedule, executions never overlap, no message is
//! lost or out of order, every call returns, every thread ends, and an end is final.
//!
//! Data races proper are the compiler's to exclude: there is no unsafe code in this crate. What it is built
//! on has some, and users may have: `make soak-races` runs the tests with real threads under
//! ThreadSanitizer, with a std that is built for it. (Helgrind does not know std's locks, which are atomics
//! and futex calls; nor does a sanitizer whose std is not instrumented. Both report whatever a lock guards.)

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
