//! The thread that notices time: deadlines of the brain, and polls that are due.

use std::io;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use super::News;
use super::pollers::{Pollers, Slot};
use crate::brain::{ById, Event, Input, Time, Value, VarId};
use crate::crew::Crew;
use crate::drive::{Cell, Due, Schedule, Source, lock};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::channel::Sender;
use crate::sync::thread::Builder;
use crate::sync::{Condvar, Instant, Mutex, MutexGuard};
use crate::watcher::Tick;

/// How soon after handing out polls it is looked whether they are being run.
const PROGRESS: Duration = Duration::from_millis(1);

/// Keeps time for one watcher.
///
/// Never takes the cell's lock while it holds its own: the cell calls it the other way round.
pub(super) struct Keeper {
    origin: Instant,
    news: Sender<News>,
    timers: Mutex<Timers>,
    signal: Condvar,
    /// When the brain wants to be asked about its deadlines, in nanoseconds; `MAX` for never.
    alarm: AtomicU64,
    /// Until when the thread sleeps; 0 while it is awake. An alarm wakes it only if it is earlier,
    /// so a watcher that is busy pays for one wake-up per timeout, not one per execution.
    sleeps_until: AtomicU64,
    pollers: Arc<Pollers>,
    crew: Arc<Crew>,
}

#[derive(Default)]
struct Timers {
    schedule: Schedule,
    watched: ById<Timed>,
    /// Counts sessions; a thread of an older one ends.
    session: u64,
}

enum Timed {
    Poll(Arc<Slot>),
    Tick(Arc<Slot>),
}

impl Keeper {
    pub(super) fn new(origin: Instant, news: Sender<News>, crew: &Arc<Crew>) -> Self {
        Self {
            origin,
            pollers: Arc::new(Pollers::new(news.clone(), crew)),
            crew: Arc::clone(crew),
            news,
            timers: Mutex::default(),
            signal: Condvar::new(),
            alarm: AtomicU64::new(u64::MAX),
            sleeps_until: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    pub(super) fn begin(self: &Arc<Self>, cell: &Arc<Cell>) -> io::Result<()> {
        let session = {
            let mut timers = lock(&self.timers);
            timers.session += 1;
            timers.session
        };
        self.pollers.open();
        let (keeper, cell) = (Arc::clone(self), Arc::downgrade(cell));
        self.crew
            .spawn(Builder::new().name("hersh-time".to_owned()), move || keeper.run(&cell, session))
    }

    pub(super) fn end(&self) {
        let mut timers = lock(&self.timers);
        timers.session += 1;
        timers.schedule.clear();
        timers.watched.clear();
        self.alarm.store(u64::MAX, Ordering::SeqCst);
        self.pollers.close();
        self.signal.notify_all();
    }

    pub(super) fn watch(&self, id: VarId, source: Source, now: Time) {
        let mut timers = lock(&self.timers);
        let (timed, first, every) = match source {
            Source::Poll { every, poll } => {
                (Timed::Poll(Arc::new(Slot::new(id, Some(poll)))), now, every)
            }
            Source::Tick { every } => {
                (Timed::Tick(Arc::new(Slot::new(id, None))), now + every, every)
            }
            Source::Flow { .. } => return,
        };
        timers.watched.insert(id, timed);
        timers.schedule.set(id, first, every);
        self.signal.notify_all();
    }

    pub(super) fn unwatch(&self, id: VarId) {
        let mut timers = lock(&self.timers);
        timers.schedule.remove(id);
        timers.watched.remove(id);
    }

    pub(super) fn settled(&self, id: VarId) {
        if let Some(Timed::Poll(slot) | Timed::Tick(slot)) = lock(&self.timers).watched.get(id) {
            slot.settled();
        }
    }

    /// Called under the cell's lock, under which `elapse` looks at the deadlines: so an alarm that
    /// goes off too early does no harm, and one that is early enough can stay.
    pub(super) fn alarm(&self, at: Time) {
        let at = at.as_nanos();
        if self.alarm.load(Ordering::Relaxed) <= at {
            return;
        }
        self.alarm.store(at, Ordering::SeqCst);
        if at < self.sleeps_until.load(Ordering::SeqCst) {
            // The lock makes sure that the thread is asleep and not just about to be.
            drop(lock(&self.timers));
            self.signal.notify_all();
        }
    }

    fn run(&self, cell: &Weak<Cell>, session: u64) {
        loop {
            let skipped = {
                let mut timers = lock(&self.timers);
                if timers.session != session {
                    return;
                }
                self.hand_out(&mut timers)
            };
            let Some(cell) = cell.upgrade() else { return };
            for (id, ticks) in skipped {
                // Skipped ticks are known in every state.
                let _ = cell.feed(Event::Skipped(id, ticks));
            }
            let alarm = self.alarm.load(Ordering::SeqCst);
            if alarm <= self.now().as_nanos() {
                let _ = self.alarm.compare_exchange(
                    alarm,
                    u64::MAX,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                cell.elapse();
            }
            drop(cell);
            self.sleep(session);
        }
    }

    /// Gives every poll that is due to the pollers and sends every tick that is due. Returns how
    /// many were skipped of which variable, because its last one is pending or time ran ahead.
    fn hand_out(&self, timers: &mut Timers) -> Vec<(VarId, u64)> {
        let mut skipped = Vec::new();
        let mut due_polls = Vec::new();
        let now = self.now();
        while let Some(due) = timers.schedule.take(now) {
            let mut missed = due.missed;
            match timers.watched.get(due.id) {
                Some(Timed::Poll(slot) | Timed::Tick(slot)) if !slot.claim() => missed += 1,
                Some(Timed::Poll(slot)) => due_polls.push(Arc::clone(slot)),
                Some(Timed::Tick(_)) => self.tick(due),
                None => {}
            }
            if missed > 0 {
                skipped.push((due.id, missed));
            }
        }
        self.pollers.push(due_polls);
        skipped
    }

    fn tick(&self, due: Due) {
        let at = SystemTime::now() - (self.now() - due.at);
        let tick = Tick::new(due.tick, at);
        // The body holds the receiver for as long as the keeper lives.
        let _ = self.news.send((due.id, Input::Value(Value::new(tick))));
    }

    fn sleep(&self, session: u64) {
        let mut timers = lock(&self.timers);
        if timers.session != session {
            return;
        }
        let until = self.sleep_until(&mut timers);
        let now = self.now().as_nanos();
        if until > now {
            self.wait(timers, (until != u64::MAX).then(|| Duration::from_nanos(until - now)));
        }
        self.sleeps_until.store(0, Ordering::SeqCst);
    }

    /// The earliest of the next alarm, the next poll, and the next look at the pollers.
    fn sleep_until(&self, timers: &mut Timers) -> u64 {
        let due = timers.schedule.next_due().map_or(u64::MAX, Time::as_nanos);
        let waiting = self.pollers.need_another();
        let look = if waiting { (self.now() + PROGRESS).as_nanos() } else { u64::MAX };
        loop {
            let alarm = self.alarm.load(Ordering::SeqCst);
            let until = due.min(look).min(alarm);
            self.sleeps_until.store(until, Ordering::SeqCst);
            // An alarm set in between either sees the new time of sleep or is seen here.
            if self.alarm.load(Ordering::SeqCst) >= until {
                return until;
            }
        }
    }

    fn wait(&self, timers: MutexGuard<'_, Timers>, limit: Option<Duration>) {
        match limit {
            None => drop(self.signal.wait(timers).unwrap_or_else(PoisonError::into_inner)),
            Some(limit) => drop(
                self.signal.wait_timeout(timers, limit).unwrap_or_else(PoisonError::into_inner),
            ),
        }
    }
}
