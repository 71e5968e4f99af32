//! A condition variable whose waits can time out.

use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

use shuttle::sync::{Condvar as Untimed, MutexGuard};

use super::clock::Alarm;

/// As std's. When the time of one waiter is over, all are woken: those that were not meant find
/// nothing changed and wait again, as they must be able to anyway.
#[derive(Default)]
pub(crate) struct Condvar(Arc<Untimed>);

/// Whether a wait ended because its time was over.
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let alarm = Alarm::set(limit, &self.0);
        let waited = self.0.wait(guard);
        let result = WaitTimeoutResult(alarm.has_passed());
        match waited {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }
}
