//! One run of the workers: what they share.
//!
//! The buffer of claimed tickets, the lock of who looks into the store, the limits of types. Each has a
//! lock of its own, held for moments, but that of looking, which is held for a call to the store; no
//! handler runs under any of them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::keeper::Watch;
use super::outbox::{Outbox, Parcel};
use super::{Engine, lock};
use crate::kharon::metrics::Count;
use crate::kharon::name::Label;
use crate::kharon::router::Router;
use crate::kharon::rules::Meter;
use crate::kharon::store::{Change, Poll, Update};
use crate::kharon::ticket::Ticket;
use crate::kharon::time::Timestamp;

/// Handlers that take no longer than this on average are quick: tickets are then claimed for
/// several at once, though one worker may come to run them all.
const QUICK: Duration = Duration::from_micros(50);

/// How often a result that the store did not take is offered again while stopping.
const LAST_TRIES: u32 = 5;

/// A claimed ticket, and until when it may be worked on by the Kharon's own clock.
pub(super) struct Fetched {
    pub(super) ticket: Ticket,
    pub(super) until: Timestamp,
}

/// What a look into the store came to.
pub(super) enum Look {
    /// There are tickets in the buffer now.
    Found,
    /// There was nothing; look again when the bell has been rung since, or after a time.
    Nothing { seen: u64, again_in: Duration },
}

pub(super) struct Session {
    pub(super) engine: Arc<Engine>,
    pub(super) router: Router,
    pub(super) outbox: Outbox,
    pub(super) watch: Watch,
    buffer: Mutex<VecDeque<Fetched>>,
    /// Held by the worker that looks into the store. Counts failures in a row.
    looking: Mutex<u32>,
    meters: Mutex<HashMap<Label, Meter>>,
    stopping: AtomicBool,
    /// Workers that wait for their turn to look.
    idle: AtomicUsize,
    /// How long handlers take, in nanoseconds, as a moving average.
    pace: AtomicU64,
    working: Mutex<usize>,
    left: Condvar,
}

impl Session {
    pub(super) fn new(engine: &Arc<Engine>, router: Router) -> Self {
        let limits = router.limits.iter();
        let meters = limits.map(|(kind, limit)| (kind.clone(), Meter::new(*limit))).collect();
        Self {
            engine: Arc::clone(engine),
            router,
            outbox: Outbox::new(engine.store.prefers_batches()),
            watch: Watch::default(),
            buffer: Mutex::default(),
            looking: Mutex::new(0),
            meters: Mutex::new(meters),
            stopping: AtomicBool::new(false),
            idle: AtomicUsize::new(0),
            pace: AtomicU64::new(1_000_000),
            working: Mutex::new(0),
            left: Condvar::new(),
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The next ticket to run; `None` when it is time to leave.
    pub(super) fn next(&self) -> Option<Fetched> {
        loop {
            if self.is_stopping() {
                return None;
            }
            if let Some(fetched) = self.take() {
                return Some(fetched);
            }
            self.outbox.wait_for_room(self.engine.settings.max_poll_interval);
            self.idle.fetch_add(1, Ordering::Relaxed);
            let mut failures = self.looking.try_lock().unwrap_or_else(|_| {
                // Who looks may have found nothing and wait for long, and this worker behind it: the
                // result that it brings is not to wait with it.
                self.watch.mind(&self.outbox);
                lock(&self.looking)
            });
            self.idle.fetch_sub(1, Ordering::Relaxed);
            if self.is_stopping() {
                return None;
            }
            if let Some(fetched) = self.take() {
                return Some(fetched);
            }
            if let Look::Nothing { seen, again_in } = self.look(&mut failures) {
                self.flush();
                if !self.is_stopping() {
                    self.engine.bell.wait(seen, again_in);
                }
            }
        }
    }

    pub(super) fn take(&self) -> Option<Fetched> {
        lock(&self.buffer).pop_front()
    }

    /// Looks into the store once.
    pub(super) fn look(&self, failures: &mut u32) -> Look {
        let Engine { settings, bell, clock, metrics, store, .. } = &*self.engine;
        let seen = bell.rings();
        let now = clock.now();
        let (budgets, allowed_in) = self.budgets(now);
        let at_most = self.appetite();
        let lease = settings.process_time;
        let poll = Poll { tubes: settings.tubes.clone(), at_most, lease, budgets };
        match self.outbox.turn(&**store, &poll, metrics, now) {
            Ok(polled) if polled.tickets.is_empty() => {
                *failures = 0;
                let times = [polled.next_in, allowed_in, Some(settings.max_poll_interval)];
                let next = times.into_iter().flatten().min().unwrap_or_default();
                Look::Nothing { seen, again_in: next.max(settings.min_poll_interval) }
            }
            Ok(polled) => {
                *failures = 0;
                metrics.add(Count::Claimed, polled.tickets.len());
                self.receive(polled.tickets, now, now + lease);
                Look::Found
            }
            Err(_) => {
                metrics.add(Count::StoreErrors, 1);
                *failures = failures.saturating_add(1);
                let wait = settings.min_poll_interval * 2_u32.saturating_pow((*failures).min(16));
                // Not the count from before: a bell that is rung all the time must not let a store
                // that fails be asked all the time.
                Look::Nothing { seen: bell.rings(), again_in: wait.min(settings.max_poll_interval) }
            }
        }
    }

    /// How many tickets to claim: as many as there are workers without one; and a whole batch while
    /// handlers are so quick that one worker would be through with it in no time. Where a disk or a
    /// network is to be waited for, the batch is then not held down to the number of workers.
    fn appetite(&self) -> usize {
        let settings = &self.engine.settings;
        let quick = u128::from(self.pace.load(Ordering::Relaxed)) <= QUICK.as_nanos();
        match (quick, self.engine.store.prefers_batches()) {
            (true, true) => settings.batch_size,
            (true, false) => settings.batch(),
            _ => (self.idle.load(Ordering::Relaxed) + 1).min(settings.batch()),
        }
    }

    fn receive(&self, tickets: Vec<Ticket>, now: Timestamp, until: Timestamp) {
        for ticket in &tickets {
            self.engine.metrics.waited(ticket.mtime.since(ticket.runat));
            if !self.router.limits.is_empty()
                && let Some(meter) = lock(&self.meters).get_mut(&ticket.kind)
            {
                meter.begin(now);
            }
        }
        lock(&self.buffer).extend(tickets.into_iter().map(|ticket| Fetched { ticket, until }));
    }

    /// How many of each limited type may be claimed now, and when the first of those that may not
    /// may again.
    fn budgets(&self, now: Timestamp) -> (Vec<(Label, usize)>, Option<Duration>) {
        if self.router.limits.is_empty() {
            return (Vec::new(), None);
        }
        let batch = self.engine.settings.batch_size;
        let mut allowed_in = None;
        let meters = lock(&self.meters);
        let budget = |(kind, meter): (&Label, &Meter)| {
            let (budget, wait) = meter.budget(batch, now);
            allowed_in = allowed_in.into_iter().chain(wait).min();
            (kind.clone(), budget)
        };
        let budgets = meters.iter().map(budget).collect();
        (budgets, allowed_in)
    }

    /// A ticket of a type is no longer being run.
    pub(super) fn over(&self, kind: &Label) {
        if !self.router.limits.is_empty()
            && lock(&self.meters).get_mut(kind).is_some_and(Meter::end)
        {
            self.engine.bell.ring(1);
        }
    }

    /// A handler took so long.
    pub(super) fn took(&self, time: Duration) {
        self.engine.metrics.handled(time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let pace = self.pace.load(Ordering::Relaxed);
        self.pace.store(pace - pace / 8 + nanos / 8, Ordering::Relaxed);
    }

    /// Settles a ticket by and by, under its claim.
    pub(super) fn settle(&self, ticket: Ticket, until: Timestamp, change: Change) {
        let token = ticket.token();
        let update = Update { id: ticket.id, token, change };
        if self.outbox.push(Parcel { update, until }) {
            self.flush();
        }
    }

    /// Hands the results to the store. What it does not take now is offered again by the keeper.
    pub(super) fn flush(&self) {
        let Engine { store, metrics, clock, .. } = &*self.engine;
        _ = self.outbox.flush(&**store, metrics, clock.now());
    }

    pub(super) fn enter(&self) {
        *lock(&self.working) += 1;
    }

    /// A worker leaves.
    pub(super) fn leave(&self) {
        self.flush();
        *lock(&self.working) -= 1;
        self.left.notify_all();
    }

    /// Lets no worker begin another ticket, and gives back what they have not begun. How many.
    pub(super) fn stop(&self) -> usize {
        self.stopping.store(true, Ordering::Release);
        self.engine.bell.ring(usize::MAX);
        self.outbox.close();
        self.watch.wake();
        let mut given_back = 0;
        while let Some(Fetched { ticket, until }) = self.take() {
            self.over(&ticket.kind);
            self.settle(ticket, until, Change::Release);
            given_back += 1;
        }
        given_back
    }

    /// Waits for the workers. How many are still running.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> usize {
        let mut working = lock(&self.working);
        while *working > 0 {
            let left = deadline.map_or(Duration::from_secs(3600), |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                break;
            }
            let waited = self.left.wait_timeout(working, left);
            working = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *working
    }

    /// Hands the last results to the store. How many it has not taken.
    pub(super) fn save(&self, deadline: Option<Instant>) -> usize {
        // A ticket may have come into the buffer while the workers were being stopped.
        self.stop();
        for attempt in 0..LAST_TRIES {
            self.flush();
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if self.outbox.len() == 0 || late {
                break;
            }
            std::thread::sleep(self.engine.settings.min_poll_interval * 2_u32.pow(attempt));
        }
        self.outbox.len()
    }
}
