//! Which timer is due when: fixed rates without drift.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::brain::{ById, Time, VarId};

/// Timers by the moment at which they are due.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Time, VarId)>>,
    timers: ById<Timer>,
    shortest: Option<Duration>,
}

#[derive(Debug)]
struct Timer {
    every: Duration,
    due: Time,
    ticks: u64,
}

/// A timer that has gone off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: VarId,
    /// The moment for which it was set.
    pub(crate) at: Time,
    /// Periods since it was set, this one included; missed ones are counted, not repeated.
    pub(crate) tick: u64,
    /// Periods that passed unseen before this one.
    pub(crate) missed: u64,
}

impl Schedule {
    /// Sets a timer that goes off at `first` and then at each whole period after it.
    pub(crate) fn set(&mut self, id: VarId, first: Time, every: Duration) {
        self.timers.insert(id, Timer { every, due: first, ticks: 0 });
        self.heap.push(Reverse((first, id)));
        self.shortest = Some(self.shortest.map_or(every, |shortest| shortest.min(every)));
    }

    pub(crate) fn remove(&mut self, id: VarId) {
        // Its entry in the heap is dropped when it comes up: it has no timer any more.
        if let Some(removed) = self.timers.remove(id)
            && Some(removed.every) == self.shortest
        {
            self.shortest = self.timers.iter().map(|timer| timer.every).min();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The shortest of all periods.
    pub(crate) const fn shortest_period(&self) -> Option<Duration> {
        self.shortest
    }

    /// When the next timer goes off.
    pub(crate) fn next_due(&mut self) -> Option<Time> {
        while let Some(Reverse((due, id))) = self.heap.peek() {
            if self.timers.get(*id).is_some_and(|timer| timer.due == *due) {
                return Some(*due);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes the next timer that is due by `now`, earliest first, and sets it again.
    pub(crate) fn take(&mut self, now: Time) -> Option<Due> {
        if self.next_due()? > now {
            return None;
        }
        let mut first = self.heap.peek_mut()?;
        let Reverse((at, id)) = *first;
        let timer = self.timers.get_mut(id)?;
        let period = u64::try_from(timer.every.as_nanos()).unwrap_or(u64::MAX).max(1);
        let missed = (now.as_nanos() - at.as_nanos()) / period;
        timer.ticks += missed + 1;
        let last = at + Duration::from_nanos(missed * period);
        timer.due = last + timer.every;
        *first = Reverse((timer.due, id));
        Some(Due { id, at: last, tick: timer.ticks, missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn timers_go_off_in_order_and_keep_their_rate() {
        let mut schedule = Schedule::default();
        schedule.set(VarId(1), ms(0), Duration::from_millis(10));
        schedule.set(VarId(2), ms(5), Duration::from_millis(10));
        let mut seen = Vec::new();
        for now in 0..=25 {
            while let Some(due) = schedule.take(ms(now)) {
                seen.push((now, due.id.0, due.tick));
            }
        }
        assert_eq!(seen, [(0, 1, 1), (5, 2, 1), (10, 1, 2), (15, 2, 2), (20, 1, 3), (25, 2, 3)]);
    }

    #[test]
    fn a_late_look_counts_what_it_missed_and_does_not_drift() {
        let mut schedule = Schedule::default();
        schedule.set(VarId(1), ms(10), Duration::from_millis(10));
        let due = schedule.take(ms(47)).expect("due");
        assert_eq!((due.at, due.tick, due.missed), (ms(40), 4, 3));
        assert_eq!(schedule.next_due(), Some(ms(50)));
    }

    #[test]
    fn the_shortest_period_is_that_of_the_timers_that_are_set() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.shortest_period(), None);
        for (id, every) in [(1, 30), (2, 10), (3, 20)] {
            schedule.set(VarId(id), ms(0), Duration::from_millis(every));
        }
        assert_eq!(schedule.shortest_period(), Some(Duration::from_millis(10)));
        schedule.remove(VarId(2));
        schedule.remove(VarId(1));
        assert_eq!(schedule.shortest_period(), Some(Duration::from_millis(20)));
        schedule.clear();
        assert_eq!(schedule.shortest_period(), None);
    }

    #[test]
    fn a_removed_timer_is_silent() {
        let mut schedule = Schedule::default();
        schedule.set(VarId(1), ms(10), Duration::from_millis(10));
        schedule.remove(VarId(1));
        assert_eq!(schedule.take(ms(100)), None);
        assert_eq!(schedule.next_due(), None);
    }
}
