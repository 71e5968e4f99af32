//! How a store tells idle workers that there may be something to do.
//!
//! A worker reads how often the bell was rung, looks into the store, and waits only if nobody has rung
//! since: so no ring is lost between the look and the wait. Any thread may ring; nobody is rung under a
//! lock of the store. A ring is a hint: who hears none looks again after `max_poll_interval`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

/// What idle workers listen for. A store rings it whenever tickets may have become ready.
///
/// Ringing for nothing does no harm but that somebody looks; not ringing costs up to
/// `max_poll_interval`.
#[derive(Debug, Default)]
pub struct Bell {
    /// Counts rings, so that one between looking and waiting is not lost.
    rings: AtomicU64,
    waiting: AtomicUsize,
    door: Mutex<()>,
    signal: Condvar,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was rung. To be read before looking for tickets.
    pub fn rings(&self) -> u64 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Wakes up to so many of those who wait.
    pub fn ring(&self, tickets: usize) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // Taking the lock puts this ring after the look of whoever is about to wait.
            drop(self.door.lock().unwrap_or_else(PoisonError::into_inner));
            for _ in 0..tickets.min(self.waiting.load(Ordering::SeqCst)) {
                self.signal.notify_one();
            }
        }
    }

    /// Waits until it is rung, unless it was rung since `seen`, or until `at_most` has passed.
    pub fn wait(&self, seen: u64, at_most: Duration) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.rings() == seen {
            let waited = self.signal.wait_timeout(door, at_most);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The bells that a store rings. A store keeps one of these, and needs no more.
#[derive(Debug, Default)]
pub struct Bells {
    hung: RwLock<Vec<Weak<Bell>>>,
}

impl Bells {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings this one too from now on, as long as it lives.
    pub fn hang(&self, bell: &Arc<Bell>) {
        let mut hung = self.hung.write().unwrap_or_else(PoisonError::into_inner);
        hung.retain(|bell| bell.strong_count() > 0);
        hung.push(Arc::downgrade(bell));
    }

    /// Rings them all: so many tickets may have become ready.
    pub fn ring(&self, tickets: usize) {
        let hung = self.hung.read().unwrap_or_else(PoisonError::into_inner);
        for bell in hung.iter().filter_map(Weak::upgrade) {
            bell.ring(tickets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_ring_between_looking_and_waiting_is_not_lost() {
        let bell = Bell::new();
        let seen = bell.rings();
        bell.ring(1);
        bell.wait(seen, Duration::from_secs(3600));
    }

    #[test]
    fn who_waits_is_woken_and_the_dead_are_forgotten() {
        let bells = Bells::new();
        bells.hang(&Arc::new(Bell::new()));
        let bell = Arc::new(Bell::new());
        bells.hang(&bell);
        assert_eq!(bells.hung.read().unwrap().len(), 1);
        let seen = bell.rings();
        let waiter = {
            let bell = Arc::clone(&bell);
            thread::spawn(move || bell.wait(seen, Duration::from_secs(3600)))
        };
        bells.ring(1);
        waiter.join().unwrap();
    }
}
