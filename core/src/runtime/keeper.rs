//! The thread that notices time: deadlines of the brain, and polls and ticks that are due.
//!
//! # Rests
//! A thousand polls every ten milliseconds fall due a hundred thousand times a second. To hand out each
//! by itself would be as many wakings, and nearly as many executions. So after handing out, the
//! keeper rests for a moment, and hands out together what has fallen due meanwhile: a rest is a twentieth
//! of the shortest period of all polls and timers, and at most half a millisecond ([`LONGEST_REST`]).
//!
//! - Nothing is late by more than a rest because of this, and nothing that falls due alone is late at
//!   all: a rest begins with a handing out and is over long before the same variable is due again.
//! - There are at most 2,000 handings out a second, or 20 in the shortest period if that is below ten
//!   milliseconds.
//! - The schedule itself does not move: rates stay fixed and without drift, and no tick is skipped, as a
//!   rest is far shorter than a period.
//! - Messages, lifecycle calls and the brain's deadlines do not rest.
//!
//! What polls bring is told to the loop in the same portions, see [`pollers`](super::pollers). The
//! simulation, whose time is exact, has no keeper and no rests.

use std::io;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use super::inbox::Inbox;
use super::pollers::{Pollers, Slot};
use crate::brain::{ById, Event, Input, Time, Value, VarId};
use crate::crew::Crew;
use crate::drive::{Cell, Due, Schedule, Source, lock};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::Builder;
use crate::sync::{Condvar, Instant, Mutex, MutexGuard};
use crate::watcher::Tick;

/// The longest rest between two handings out.
const LONGEST_REST: Duration = Duration::from_micros(500);

/// The share of the shortest period that a rest may take.
const RESTS_IN_A_PERIOD: u32 = 20;

/// Keeps time for one watcher.
///
/// Never takes the cell's lock while it holds its own: the cell calls it the other way round.
pub(super) struct Keeper {
    origin: Instant,
    inbox: Arc<Inbox>,
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
    /// Nothing is handed out before this.
    rests_until: Time,
    /// Counts sessions; a thread of an older one ends.
    session: u64,
}

enum Timed {
    Poll(Arc<Slot>),
    Tick(Arc<Slot>),
}

impl Timers {
    /// How long nothing is handed out after something has been.
    fn rest(&self) -> Duration {
        let shortest = self.schedule.shortest_period();
        shortest.map_or(LONGEST_REST, |every| LONGEST_REST.min(every / RESTS_IN_A_PERIOD))
    }

    fn rest_from(&mut self, now: Time) {
        self.rests_until = now + self.rest();
    }

    /// When there is next something to hand out.
    fn next_due(&mut self) -> Option<Time> {
        self.schedule.next_due().map(|due| due.max(self.rests_until))
    }
}

impl Keeper {
    pub(super) fn new(origin: Instant, inbox: &Arc<Inbox>, crew: &Arc<Crew>) -> Self {
        Self {
            origin,
            inbox: Arc::clone(inbox),
            pollers: Arc::new(Pollers::new(inbox, crew)),
            crew: Arc::clone(crew),
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
        if first.max(timers.rests_until).as_nanos() < self.sleeps_until.load(Ordering::SeqCst) {
            self.signal.notify_all();
        }
    }

    pub(super) fn unwatch(&self, id: VarId) {
        let mut timers = lock(&self.timers);
        timers.schedule.remove(id);
        timers.watched.remove(id);
    }

    pub(super) fn settled(&self, ids: &mut dyn Iterator<Item = VarId>) {
        let mut ids = ids.peekable();
        if ids.peek().is_none() {
            return;
        }
        let timers = lock(&self.timers);
        for id in ids {
            if let Some(Timed::Poll(slot) | Timed::Tick(slot)) = timers.watched.get(id) {
                slot.settled();
            }
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

    /// Unless it rests, gives every poll that is due to the pollers and sends every tick that is due.
    /// Returns how many were skipped of which variable, because its last one is pending or time ran
    /// ahead.
    fn hand_out(&self, timers: &mut Timers) -> Vec<(VarId, u64)> {
        let mut skipped = Vec::new();
        let mut due_polls = Vec::new();
        let now = self.now();
        if timers.next_due().is_none_or(|due| due > now) {
            return skipped;
        }
        timers.rest_from(now);
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
        self.pollers.push(due_polls, now);
        self.inbox.tell();
        skipped
    }

    fn tick(&self, due: Due) {
        let at = SystemTime::now() - (self.now() - due.at);
        let tick = Tick::new(due.tick, at);
        self.inbox.put(due.id, Input::Value(Value::new(tick)));
    }

    fn sleep(&self, session: u64) {
        let mut timers = lock(&self.timers);
        if timers.session != session {
            return;
        }
        let until = self.sleep_until(&mut timers);
        let now = self.now().as_nanos();
        if until > now {
            timers =
                self.wait(timers, (until != u64::MAX).then(|| Duration::from_nanos(until - now)));
        }
        // A later session has a thread of its own, which may be asleep by now.
        if timers.session == session {
            self.sleeps_until.store(0, Ordering::SeqCst);
        }
    }

    /// The earliest of the next alarm, the next poll, and the next look at the pollers.
    fn sleep_until(&self, timers: &mut Timers) -> u64 {
        let due = timers.next_due().map_or(u64::MAX, Time::as_nanos);
        let look = self.pollers.look(self.now(), timers.rest());
        let look = look.map_or(u64::MAX, Time::as_nanos);
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

    fn wait<'a>(
        &self,
        timers: MutexGuard<'a, Timers>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, Timers> {
        match limit {
            None => self.signal.wait(timers).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.signal.wait_timeout(timers, limit).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Time {
        Time::from_nanos(us * 1000)
    }

    fn timers(periods_us: &[u64]) -> Timers {
        let mut timers = Timers::default();
        for (id, every) in (0..).zip(periods_us) {
            timers.schedule.set(VarId(id), us(u64::from(id)), Duration::from_micros(*every));
        }
        timers
    }

    #[test]
    fn a_rest_is_a_twentieth_of_the_shortest_period_and_half_a_millisecond_at_most() {
        for (periods_us, rest_us) in [
            (&[][..], 500),
            (&[3_600_000_000], 500),
            (&[10_000, 20_000], 500),
            (&[1_000_000, 1_000], 50),
            (&[20], 1),
        ] {
            assert_eq!(timers(periods_us).rest(), Duration::from_micros(rest_us), "{periods_us:?}");
        }
    }

    #[test]
    fn what_falls_due_alone_is_on_time_and_what_follows_waits_for_a_rest_at_most() {
        let mut alone = timers(&[10_000]);
        let mut crowd = timers(&[10_000; 3]);
        for timers in [&mut alone, &mut crowd] {
            assert_eq!(timers.next_due(), Some(us(0)));
            assert_eq!(timers.schedule.take(us(0)).map(|due| due.id), Some(VarId(0)));
            timers.rest_from(us(0));
        }
        assert_eq!(alone.next_due(), Some(us(10_000)));
        // The others fell due after one and two microseconds.
        assert_eq!(crowd.next_due(), Some(us(500)));
    }
}
