//! Events that are due later, on one thread.
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::{Shared, queue};
use crate::program::event::Event;
use crate::program::id::ProgramId;

struct Due {
    at: Instant,
    program: ProgramId,
    event: Event,
}

// The heap gives its greatest first: the soonest.
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Due {}

#[derive(Default)]
struct Inner {
    due: BinaryHeap<Due>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Timer {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Timer {
    pub(super) fn add(&self, after: Duration, program: ProgramId, event: Event) {
        let at = Instant::now() + after;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.due.push(Due { at, program, event });
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }

    /// Waits for what is due next; none when the timer was closed.
    fn next(&self) -> Option<Due> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if inner.closed {
                return None;
            }
            let wait = inner.due.peek().map(|due| due.at.saturating_duration_since(Instant::now()));
            inner = match wait {
                Some(Duration::ZERO) => return inner.due.pop(),
                Some(wait) => {
                    self.changed.wait_timeout(inner, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

pub(super) fn spawn(
    shared: &Arc<Shared>,
    threads: &mut Vec<JoinHandle<()>>,
) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    threads.push(Builder::new().name("restarts".into()).spawn(move || {
        while let Some(due) = shared.timer.next() {
            if let Some(program) = shared.program(&due.program) {
                queue::tell(&shared, &program, due.event);
            }
        }
    })?);
    Ok(())
}
