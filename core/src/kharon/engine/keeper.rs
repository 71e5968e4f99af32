//! The keeper: a thread that sees to results which wait while all workers are busy, and to tickets
//! that expire.
//!
//! It sleeps until something may be due. Where it cannot reach the store it tries again, less and less
//! often; what it does late is late, and not lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;
use super::outbox::{LINGER, Outbox};
use super::session::Session;
use crate::kharon::metrics::Count;

/// The most tickets that are removed in one call.
const PORTION: usize = 1000;

/// Where the keeper sleeps.
#[derive(Default)]
pub(super) struct Watch {
    asleep: AtomicBool,
    door: Mutex<()>,
    signal: Condvar,
}

impl Watch {
    /// Wakes the keeper if results wait while it sleeps. Called before a handler is run, and
    /// before a worker waits for the one that looks into the store: both may take long.
    pub(super) fn mind(&self, outbox: &Outbox) {
        if outbox.len() > 0 && self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        drop(lock(&self.door));
        self.signal.notify_one();
    }

    /// Sleeps until there is something to do.
    fn sleep(&self, at_most: Duration, unless: impl Fn() -> bool) {
        // Said before it is looked: who has something to do after the look sees it.
        self.asleep.store(true, Ordering::SeqCst);
        self.doze(at_most, unless);
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Sleeps for a time, not to be woken by what there is to do.
    fn doze(&self, at_most: Duration, unless: impl Fn() -> bool) {
        let door = lock(&self.door);
        if !unless() {
            let waited = self.signal.wait_timeout(door, at_most);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Keeps until the session stops.
pub(super) fn keep(session: &Session) {
    let settings = &session.engine.settings;
    let mut expire_at = Instant::now();
    let mut wait = LINGER;
    while !session.is_stopping() {
        if settings.expiration && Instant::now() >= expire_at {
            expire_at = Instant::now() + expire(session);
        }
        if session.outbox.len() == 0 {
            let expiry = expire_at.saturating_duration_since(Instant::now());
            let idle = if settings.expiration { expiry } else { settings.max_poll_interval };
            session.watch.sleep(idle, || session.outbox.len() > 0 || session.is_stopping());
        }
        if session.outbox.len() > 0 {
            session.watch.doze(wait, || session.is_stopping());
            let before = session.outbox.len();
            session.flush();
            // What waits on after a flush was refused, or came meanwhile.
            let refused = session.outbox.len() >= before;
            wait = if refused { (wait * 2).min(settings.max_poll_interval) } else { LINGER };
        }
    }
}

/// Removes what has expired, and says when to look again.
pub(super) fn expire(session: &Session) -> Duration {
    let settings = &session.engine.settings;
    let Ok(expired) = session.engine.store.expire_tickets(PORTION) else {
        session.engine.metrics.add(Count::StoreErrors, 1);
        return settings.max_poll_interval;
    };
    session.engine.metrics.add(Count::Expired, expired.removed);
    let next = expired.next_in.unwrap_or(settings.max_poll_interval);
    next.clamp(settings.min_poll_interval, settings.max_poll_interval)
}
