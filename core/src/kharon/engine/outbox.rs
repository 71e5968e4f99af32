//! Results that wait to be handed to the store, several at once.
//!
//! Workers put results in, and whoever goes to the store next takes all of them along. It holds a bounded
//! number: beyond that, workers wait before they take another ticket. A result in here is not settled yet;
//! if the process dies, its ticket is run again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;
use crate::kharon::error::{StoreError, UpdateError};
use crate::kharon::metrics::{Count, Metrics};
use crate::kharon::store::{Poll, Polled, Store, Turn, Update};
use crate::kharon::time::Timestamp;

/// The most results that may wait. Workers wait for room before they take another ticket.
const MOST: usize = 1024;

/// How long a result may wait for others while all workers are busy.
pub(super) const LINGER: Duration = Duration::from_millis(2);

pub(super) struct Outbox {
    waiting: Mutex<Vec<Parcel>>,
    /// As many as wait, to be read without the lock.
    count: AtomicUsize,
    /// Woken when there is room again.
    room: Condvar,
    closed: AtomicBool,
    /// With how many results at hand a worker hands them over.
    enough: usize,
    retries: bool,
}

/// A result, and until when the store would take it.
pub(super) struct Parcel {
    pub(super) update: Update,
    pub(super) until: Timestamp,
}

/// Results on their way to the store.
struct Sent {
    counts: Vec<Count>,
    /// Themselves, where they are offered again if the store does not take them.
    kept: Vec<Parcel>,
}

impl Outbox {
    pub(super) fn new(prefers_batches: bool) -> Self {
        Self {
            waiting: Mutex::default(),
            count: AtomicUsize::new(0),
            room: Condvar::new(),
            closed: AtomicBool::new(false),
            enough: if prefers_batches { 32 } else { 8 },
            retries: prefers_batches,
        }
    }

    /// Takes a result. Whether so many wait that they should be handed over.
    pub(super) fn push(&self, parcel: Parcel) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.push(parcel);
        self.count.store(waiting.len(), Ordering::Release);
        waiting.len() >= self.enough
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Hands what waits to the store. What it could not take waits on, unless its time is over.
    pub(super) fn flush(
        &self,
        store: &dyn Store,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.len() == 0 {
            return Ok(());
        }
        let (updates, sent) = self.take();
        self.book(sent, store.update(updates), metrics, now)
    }

    /// Claims tickets; and where that saves a journey, hands over what waits on the way.
    pub(super) fn turn(
        &self,
        store: &dyn Store,
        poll: &Poll,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<Polled, StoreError> {
        if !self.retries || self.len() < self.enough / 2 {
            return store.poll_pending(poll);
        }
        let (updates, sent) = self.take();
        let Turn { updated, polled } = store.turn(updates, poll);
        // Counted there; what was not taken waits on.
        _ = self.book(sent, updated, metrics, now);
        polled
    }

    /// Takes out what waits, and what is to be known of it when the store has answered.
    fn take(&self) -> (Vec<Update>, Sent) {
        let parcels = std::mem::take(&mut *lock(&self.waiting));
        self.count.store(0, Ordering::Release);
        let counts = parcels.iter().map(|one| Count::of(&one.update.change)).collect();
        let (updates, kept) = if self.retries {
            (parcels.iter().map(|one| one.update.clone()).collect(), parcels)
        } else {
            (parcels.into_iter().map(|one| one.update).collect(), Vec::new())
        };
        (updates, Sent { counts, kept })
    }

    /// Counts what the store has taken, and lets wait on what it could not.
    fn book(
        &self,
        Sent { counts, kept }: Sent,
        answers: Result<Vec<Result<(), UpdateError>>, StoreError>,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match answers {
            Ok(answers) => {
                for (answer, count) in answers.into_iter().zip(counts) {
                    match answer {
                        Ok(()) => metrics.add(count, 1),
                        Err(UpdateError::StaleClaim | UpdateError::NotFound) => {
                            metrics.add(Count::Stale, 1);
                        }
                        Err(_) => metrics.add(Count::Lost, 1),
                    }
                }
                self.room.notify_all();
                Ok(())
            }
            Err(error) => {
                metrics.add(Count::StoreErrors, 1);
                let before = kept.len();
                let kept: Vec<_> = kept.into_iter().filter(|one| one.until > now).collect();
                metrics.add(Count::Lost, before - kept.len());
                let mut waiting = lock(&self.waiting);
                waiting.extend(kept);
                self.count.store(waiting.len(), Ordering::Release);
                Err(error)
            }
        }
    }

    /// Waits a while if there is no room for more.
    pub(super) fn wait_for_room(&self, at_most: Duration) {
        if self.len() >= MOST {
            let waiting = lock(&self.waiting);
            let full = |waiting: &mut Vec<Parcel>| {
                waiting.len() >= MOST && !self.closed.load(Ordering::Acquire)
            };
            let waited = self.room.wait_timeout_while(waiting, at_most, full);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Lets nobody wait for room any more.
    pub(super) fn close(&self) {
        let waiting = lock(&self.waiting);
        self.closed.store(true, Ordering::Release);
        drop(waiting);
        self.room.notify_all();
    }
}
