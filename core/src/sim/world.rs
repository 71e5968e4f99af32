//! The clock and the order in which simulated watchers are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::body::{Member, SimBody};
use super::trace::{Trace, TraceEntry};
use crate::brain::{Rng, Time};
use crate::drive::{Cell, lock};
use crate::sync::Mutex;

/// 2025-01-01 00:00 UTC, in seconds since the Unix epoch.
const ORIGIN: u64 = 1_735_689_600;

/// How many rounds one moment may take before it counts as never coming to rest.
pub(super) const MOST_ROUNDS: u32 = 1_000_000;

/// The wall-clock time of a virtual moment.
pub(super) fn wall(at: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(ORIGIN) + at.since_origin()
}

/// What the watchers of one simulation share.
pub(super) struct World {
    now: AtomicU64,
    members: Mutex<Vec<Arc<Member>>>,
    rng: Mutex<Rng>,
    joined: AtomicU64,
    trace: Mutex<Trace>,
    /// Set while somebody drives: one thread, and not from inside what it drives.
    driven: AtomicBool,
}

/// Driving the world, until dropped.
struct Drive<'a>(&'a World);

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: AtomicU64::new(0),
            members: Mutex::default(),
            rng: Mutex::new(Rng::new(seed)),
            joined: AtomicU64::new(0),
            trace: Mutex::default(),
            driven: AtomicBool::new(false),
        }
    }

    pub(super) fn now(&self) -> Time {
        Time::from_nanos(self.now.load(Ordering::Acquire))
    }

    fn set_now(&self, now: Time) {
        self.now.store(now.as_nanos(), Ordering::Release);
    }

    pub(super) fn next_member(&self) -> (u64, u64) {
        (self.joined.fetch_add(1, Ordering::Relaxed) + 1, lock(&self.rng).next())
    }

    pub(super) fn join(&self, body: &SimBody) {
        lock(&self.members).push(Arc::clone(&body.member));
    }

    pub(super) fn member_of(&self, cell: &Arc<Cell>) -> Option<Arc<Member>> {
        let members = lock(&self.members);
        members.iter().find(|member| member.is_of(cell)).cloned()
    }

    pub(super) fn trace(&self) -> Trace {
        lock(&self.trace).clone()
    }

    pub(super) fn record(&self, entry: TraceEntry) {
        lock(&self.trace).push(entry);
    }

    /// Whether somebody drives already.
    pub(super) fn is_driven(&self) -> bool {
        self.driven.load(Ordering::Acquire)
    }

    fn drive(&self) -> Drive<'_> {
        let driven = self.driven.swap(true, Ordering::AcqRel);
        assert!(!driven, "a simulation cannot be run from inside what it runs, or by two threads");
        Drive(self)
    }

    /// Everybody who is left, in an order that the seed decides.
    fn everybody(&self) -> Vec<Arc<Member>> {
        let mut members = lock(&self.members);
        members.retain(|member| !member.is_gone());
        let mut order = members.clone();
        drop(members);
        if order.len() > 1 {
            let mut rng = lock(&self.rng);
            for last in (1..order.len()).rev() {
                let chosen = rng.next() % (last as u64 + 1);
                order.swap(last, usize::try_from(chosen).unwrap_or(last));
            }
        }
        order
    }

    pub(super) fn run_for(&self, duration: Duration) {
        self.run_until(Some(self.now() + duration), &mut || false);
    }

    /// Runs until `done`, or until the clock has reached `limit`, or until nothing is left that
    /// could happen by time alone. Whether it was `done`.
    pub(super) fn run_until(&self, limit: Option<Time>, done: &mut dyn FnMut() -> bool) -> bool {
        let _drive = self.drive();
        loop {
            if self.settle(done) {
                return true;
            }
            match (self.next_event(), limit) {
                (Some(next), limit) if limit.is_none_or(|limit| next <= limit) => {
                    self.set_now(next);
                }
                (_, Some(limit)) => {
                    self.set_now(limit.max(self.now()));
                    return self.settle(done);
                }
                (_, None) => return false,
            }
        }
    }

    /// Does everything that can be done at this moment, or until `done`.
    fn settle(&self, done: &mut dyn FnMut() -> bool) -> bool {
        for _ in 0..MOST_ROUNDS {
            let mut busy = false;
            for member in self.everybody() {
                if done() {
                    return true;
                }
                member.poll_due(self.now());
                busy |= member.step();
            }
            if !busy {
                return done();
            }
        }
        panic!(
            "the watchers have run a million rounds at {} and have not come to rest: do they ask \
             each other for their next executions?",
            self.now()
        );
    }

    fn next_event(&self) -> Option<Time> {
        let members = lock(&self.members).clone();
        members.iter().filter_map(|member| member.next_event()).min()
    }

    /// Lets the clock run while one watcher's function sleeps: polls run and deadlines pass, other
    /// executions wait their turn.
    pub(super) fn sleep(&self, until: Time, cancelled: &dyn Fn() -> bool) {
        loop {
            for member in self.everybody() {
                member.poll_due(self.now());
            }
            let now = self.now();
            if cancelled() || now >= until {
                return;
            }
            let next = self.next_event().filter(|next| *next > now);
            self.set_now(next.unwrap_or(until).min(until));
        }
    }
}
