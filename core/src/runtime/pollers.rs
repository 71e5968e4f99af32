//! The threads that run polls.
//!
//! Fast polls share one thread; when polls wait and none has been begun for a while, another
//! thread joins. A poll that blocks or hangs holds one thread and delays no other poll.
//!
//! The loop is woken for what polls brought when no further one waits to be run, or when the keeper
//! looks ([`Pollers::look`]), so that a crowd of fast polls makes few executions and not one each.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::inbox::Inbox;
use crate::brain::{Time, VarId};
use crate::crew::Crew;
use crate::drive::{Poll, Polled, lock};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::Builder;
use crate::sync::{Condvar, Mutex};

/// The most threads that run polls at one time for one watcher. When this many hang, further polls
/// wait and their ticks are skipped and counted.
const MOST_POLLERS: usize = 256;

/// How long a thread without polls stays.
const IDLE: Duration = Duration::from_secs(10);

/// How long polls may wait with none begun before another thread joins.
const STALLED: Duration = Duration::from_millis(1);

/// A variable whose values come from time: at most one poll of it is in flight, at most one update
/// of it unapplied.
pub(super) struct Slot {
    id: VarId,
    poll: Mutex<Option<Polled>>,
    /// From the moment a poll is handed out until its result has been applied or found unchanged.
    claimed: AtomicBool,
}

impl Slot {
    pub(super) fn new(id: VarId, poll: Option<Poll>) -> Self {
        Self { id, poll: Mutex::new(poll.map(Polled::new)), claimed: AtomicBool::new(false) }
    }

    /// Whether a tick may be handed out: not while the last one is pending.
    pub(super) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    pub(super) fn settled(&self) {
        self.claimed.store(false, Ordering::Release);
    }
}

/// A queue of due polls and the threads that serve it.
pub(super) struct Pollers {
    inbox: Arc<Inbox>,
    shift: Mutex<Shift>,
    work: Condvar,
    crew: Arc<Crew>,
}

#[derive(Default)]
struct Shift {
    /// At most one entry per variable, as each is claimed before it is queued.
    due: VecDeque<Arc<Slot>>,
    threads: usize,
    idle: usize,
    /// Polls begun; tells whether anybody is making progress.
    begun: u64,
    /// How many had been begun at the last look, and since when that is so.
    seen: u64,
    seen_since: Time,
    open: bool,
}

impl Pollers {
    pub(super) fn new(inbox: &Arc<Inbox>, crew: &Arc<Crew>) -> Self {
        Self {
            inbox: Arc::clone(inbox),
            shift: Mutex::default(),
            work: Condvar::new(),
            crew: Arc::clone(crew),
        }
    }

    pub(super) fn open(&self) {
        lock(&self.shift).open = true;
    }

    /// Drops what is queued and lets the threads end; one that hangs in a poll ends after it.
    pub(super) fn close(&self) {
        let mut shift = lock(&self.shift);
        shift.open = false;
        shift.due.clear();
        self.work.notify_all();
    }

    pub(super) fn push(self: &Arc<Self>, due: Vec<Arc<Slot>>, now: Time) {
        if due.is_empty() {
            return;
        }
        let mut shift = lock(&self.shift);
        let unattended = shift.due.is_empty();
        shift.due.extend(due);
        if unattended {
            (shift.seen, shift.seen_since) = (shift.begun, now);
            self.call_another(&mut shift);
        }
    }

    /// Looks how the threads get on, if polls wait: calls another when they do not, and wakes the
    /// loop for what there is. When to look again: `soon` after this while polls are being begun, so
    /// that no result waits longer for a crowd of others; seldom while none is.
    ///
    /// To be called after each [`push`](Self::push). `None` when no poll waits: then whoever runs
    /// the last one wakes the loop.
    pub(super) fn look(self: &Arc<Self>, now: Time, soon: Duration) -> Option<Time> {
        let again = self.look_at_shift(now, soon);
        // After that, as what was put in before the queue was found empty must not be passed over:
        // its thread may be in another poll, which hangs.
        self.inbox.tell();
        again
    }

    fn look_at_shift(self: &Arc<Self>, now: Time, soon: Duration) -> Option<Time> {
        let mut shift = lock(&self.shift);
        if shift.due.is_empty() {
            return None;
        }
        if shift.begun != shift.seen {
            (shift.seen, shift.seen_since) = (shift.begun, now);
        } else if now - shift.seen_since >= STALLED {
            self.call_another(&mut shift);
            shift.seen_since = now;
            return Some(now + STALLED);
        }
        Some(now + soon)
    }

    /// Wakes an idle thread, or starts one. When the machine refuses a thread, those that run go
    /// on and the next look tries again.
    fn call_another(self: &Arc<Self>, shift: &mut Shift) {
        if shift.idle > 0 {
            self.work.notify_one();
        } else if shift.threads < MOST_POLLERS {
            let pollers = Arc::clone(self);
            let started = self
                .crew
                .spawn(Builder::new().name("hersh-poll".to_owned()), move || pollers.run());
            shift.threads += usize::from(started.is_ok());
        }
    }

    fn run(&self) {
        while let Some(slot) = self.next() {
            if let Some(polled) = lock(&slot.poll).as_mut() {
                self.inbox.put(slot.id, polled.once());
            }
        }
    }

    /// The next poll to run; `None` when this thread is no longer needed.
    fn next(&self) -> Option<Arc<Slot>> {
        let mut shift = lock(&self.shift);
        loop {
            if let Some(slot) = shift.due.pop_front() {
                shift.begun += 1;
                return Some(slot);
            }
            if !shift.open {
                break;
            }
            if self.inbox.is_untold() {
                drop(shift);
                self.inbox.tell();
                shift = lock(&self.shift);
                continue;
            }
            shift.idle += 1;
            let (woken, waited) =
                self.work.wait_timeout(shift, IDLE).unwrap_or_else(PoisonError::into_inner);
            shift = woken;
            shift.idle -= 1;
            if waited.timed_out() && shift.due.is_empty() {
                break;
            }
        }
        shift.threads -= 1;
        None
    }
}

#[cfg(all(test, shuttle))]
mod schedules {
    use super::*;
    use crate::brain::{Input, Value};
    use crate::schedules::explored;
    use crate::sync::channel::bounded;
    use crate::sync::thread;

    /// A poll that waits until it is let go.
    fn slot(id: u32, mut wait: impl FnMut() + Send + 'static) -> Arc<Slot> {
        let poll: Poll = Box::new(move |_| {
            wait();
            Input::Value(Value::new(id))
        });
        Arc::new(Slot::new(VarId(id), Some(poll)))
    }

    #[test]
    fn what_a_poll_brought_is_told_although_the_next_one_hangs() {
        explored(|| {
            let (wake, woken) = bounded(1);
            let (release, released) = bounded::<()>(1);
            let (inbox, crew) = (Arc::new(Inbox::new(wake)), Arc::new(Crew::default()));
            let pollers = Arc::new(Pollers::new(&inbox, &crew));
            pollers.open();
            let quick = slot(1, || {});
            let hanging = slot(2, move || released.recv().expect("it is released"));
            pollers.push(vec![quick, hanging], Time::ZERO);
            // As the keeper does, which then looks no more.
            while pollers.look(Time::ZERO, STALLED).is_some() {
                thread::yield_now();
            }
            let mut brought = Vec::new();
            while brought.is_empty() {
                woken.recv().expect("the inbox holds the other end");
                inbox.take(&mut |id, _| brought.push(id.0));
            }
            assert_eq!(brought, [1]);
            release.send(()).expect("there is room");
            while brought.len() < 2 {
                woken.recv().expect("the inbox holds the other end");
                inbox.take(&mut |id, _| brought.push(id.0));
            }
            pollers.close();
            assert!(crew.join(None));
        });
    }
}
