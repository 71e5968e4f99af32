//! The threads that run polls.
//!
//! Fast polls share one thread; when polls wait and none has been begun for a while, another
//! thread joins. A poll that blocks or hangs holds one thread and delays no other poll.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::News;
use crate::brain::VarId;
use crate::crew::Crew;
use crate::drive::{Poll, lock, poll_once};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::channel::Sender;
use crate::sync::thread::Builder;
use crate::sync::{Condvar, Mutex};

/// The most threads that run polls at one time for one watcher. When this many hang, further polls
/// wait and their ticks are skipped and counted.
const MOST_POLLERS: usize = 256;

/// How long a thread without polls stays.
const IDLE: Duration = Duration::from_secs(10);

/// A variable whose values come from time: at most one poll of it is in flight, at most one update
/// of it unapplied.
pub(super) struct Slot {
    id: VarId,
    poll: Mutex<Option<Poll>>,
    /// From the moment a poll is handed out until its result has been applied or found unchanged.
    claimed: AtomicBool,
}

impl Slot {
    pub(super) fn new(id: VarId, poll: Option<Poll>) -> Self {
        Self { id, poll: Mutex::new(poll), claimed: AtomicBool::new(false) }
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
    news: Sender<News>,
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
    seen: u64,
    open: bool,
}

impl Pollers {
    pub(super) fn new(news: Sender<News>, crew: &Arc<Crew>) -> Self {
        Self { news, shift: Mutex::default(), work: Condvar::new(), crew: Arc::clone(crew) }
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

    pub(super) fn push(self: &Arc<Self>, due: Vec<Arc<Slot>>) {
        if due.is_empty() {
            return;
        }
        let mut shift = lock(&self.shift);
        let unattended = shift.due.is_empty();
        shift.due.extend(due);
        if unattended {
            self.call_another(&mut shift);
        }
    }

    /// Whether polls wait. Calls another thread if none has been begun since the last look.
    pub(super) fn need_another(self: &Arc<Self>) -> bool {
        let mut shift = lock(&self.shift);
        if shift.due.is_empty() {
            return false;
        }
        if shift.begun == shift.seen {
            self.call_another(&mut shift);
        }
        shift.seen = shift.begun;
        true
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
            let Some(input) = lock(&slot.poll).as_mut().map(poll_once) else { continue };
            // Nobody listens when the watcher is gone.
            let _ = self.news.send((slot.id, input));
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
