//! Time that passes when nobody can do anything else, and now and then when somebody could.
//!
//! One thread of each execution keeps the time. When the schedule lets it run, it moves the clock to
//! the next deadline for which somebody waits and wakes those who do. The scheduler (`explore`) lets
//! it run whenever all others wait, and otherwise with a chance that it draws for each execution:
//! from never, when every thread is faster than any timeout, to often, when each timeout may pass
//! between any two steps of any thread. A real machine is somewhere in between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as Plain, MutexGuard as PlainGuard, PoisonError};
use std::time::Duration;

use shuttle::sync::{Condvar as Untimed, Mutex};

shuttle::lazy_static! {
    static ref CLOCK: Clock = Clock::default();
}

/// A deadline, and a number that tells it from others at the same moment.
type Key = (Duration, u64);

#[derive(Default)]
struct Clock {
    /// Never held across a choice of the schedule.
    state: Plain<State>,
    idle: Mutex<()>,
    /// Notified when there is a first deadline, and when the time ends.
    work: Untimed,
}

#[derive(Default)]
struct State {
    now: Duration,
    /// Those who wait. They stay until they have noticed: until then they are woken again and again,
    /// as the first time may have been just before they began to wait.
    waiting: BTreeMap<Key, Arc<Untimed>>,
    numbered: u64,
    ended: bool,
}

fn state() -> PlainGuard<'static, State> {
    CLOCK.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A moment of the modelled clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(state().now)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().saturating_duration_since(*self)
    }

    pub(crate) fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    pub(crate) fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Asks to be woken when a deadline has passed; withdrawn when dropped.
pub(super) struct Alarm(Key);

impl Alarm {
    pub(super) fn set(limit: Duration, waiter: &Arc<Untimed>) -> Self {
        let mut state = state();
        state.numbered += 1;
        // A limit too far away to be represented never passes.
        let key = (state.now.saturating_add(limit), state.numbered);
        let first = state.waiting.is_empty();
        state.waiting.insert(key, Arc::clone(waiter));
        drop(state);
        if first {
            call_time();
        }
        Self(key)
    }

    pub(super) fn has_passed(&self) -> bool {
        state().now >= self.0.0
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        state().waiting.remove(&self.0);
    }
}

fn call_time() {
    // The lock makes sure that the thread waits, and is not just about to.
    drop(CLOCK.idle.lock());
    CLOCK.work.notify_one();
}

/// What the thread that keeps the time does, until [`end`].
pub(super) fn keep_time() {
    loop {
        let idle = CLOCK.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = state();
        if state.ended {
            return;
        }
        let next = state.waiting.first_key_value().map(|(key, waiter)| (key.0, Arc::clone(waiter)));
        if let Some((at, _)) = next {
            state.now = state.now.max(at);
        }
        drop(state);
        match next {
            Some((_, waiter)) => {
                drop(idle);
                waiter.notify_all();
            }
            None => drop(CLOCK.work.wait(idle)),
        }
    }
}

/// Ends the time of this execution.
pub(super) fn end() {
    state().ended = true;
    call_time();
}
