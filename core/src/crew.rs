//! The threads of one watcher or one gate, so that its owner can wait for the last of them.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::drive::lock;
use crate::sync::thread::{self, Builder, JoinHandle, ThreadId};
use crate::sync::{Condvar, Instant, Mutex};

/// Every thread that was started here and has not been joined.
///
/// Threads that have ended are joined when the next one starts, so the list stays as long as there
/// are threads, however many come and go.
#[derive(Default)]
pub(crate) struct Crew {
    members: Mutex<Members>,
    left: Condvar,
}

#[derive(Default)]
struct Members {
    handles: Vec<JoinHandle<()>>,
    working: usize,
}

/// Reports the end of a thread's work, also when it panics.
struct Shift(Arc<Crew>);

impl Drop for Shift {
    fn drop(&mut self) {
        lock(&self.0.members).working -= 1;
        self.0.left.notify_all();
    }
}

impl Members {
    /// Joins the threads whose end can be had without waiting.
    fn dismiss(&mut self) {
        let (ended, handles) =
            std::mem::take(&mut self.handles).into_iter().partition(JoinHandle::is_finished);
        self.handles = handles;
        join_all(ended);
    }

    fn include(&self, thread: ThreadId) -> bool {
        self.handles.iter().any(|handle| handle.thread().id() == thread)
    }
}

fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        // A panic has been reported where it happened.
        let _ = handle.join();
    }
}

impl Crew {
    pub(crate) fn spawn(
        self: &Arc<Self>,
        builder: Builder,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let mut members = lock(&self.members);
        members.dismiss();
        let crew = Arc::clone(self);
        let handle = builder.spawn(move || {
            let _shift = Shift(crew);
            work();
        })?;
        members.working += 1;
        members.handles.push(handle);
        Ok(())
    }

    /// Waits until no thread is left, at most for `limit`; whether none is. A thread of the crew
    /// itself is answered at once: it cannot wait for its own end.
    pub(crate) fn join(&self, limit: Option<Duration>) -> bool {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let me = thread::current().id();
        let mut members = lock(&self.members);
        while members.working > 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || members.include(me) {
                return false;
            }
            members = match left {
                None => self.left.wait(members).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.left.wait_timeout(members, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let ended = std::mem::take(&mut members.handles);
        drop(members);
        // Their work is over: only the end of the thread itself is waited for.
        join_all(ended);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_last_thread_is_waited_for_and_no_longer_than_asked() {
        let crew = Arc::new(Crew::default());
        let (release, held) = channel::<()>();
        crew.spawn(Builder::new(), move || assert!(held.recv().is_err())).expect("a thread");
        assert!(!crew.join(Some(Duration::from_millis(1))));
        drop(release);
        assert!(crew.join(None));
        assert!(crew.join(Some(Duration::ZERO)), "none is left");
    }

    #[test]
    fn a_thread_that_waits_for_itself_is_answered_at_once() {
        let crew = Arc::new(Crew::default());
        let (answer, answered) = channel();
        let own = Arc::clone(&crew);
        crew.spawn(Builder::new(), move || answer.send(own.join(None)).expect("a listener"))
            .expect("a thread");
        assert_eq!(answered.recv(), Ok(false));
        assert!(crew.join(None));
    }

    #[test]
    fn a_thread_that_panics_is_no_longer_waited_for() {
        let crew = Arc::new(Crew::default());
        crew.spawn(Builder::new(), || std::panic::resume_unwind(Box::new(()))).expect("a thread");
        assert!(crew.join(None));
    }

    #[test]
    fn threads_that_come_and_go_leave_nothing_behind() {
        let crew = Arc::new(Crew::default());
        for _ in 0..100 {
            crew.spawn(Builder::new(), || {}).expect("a thread");
            while lock(&crew.members).handles.iter().any(|handle| !handle.is_finished()) {
                thread::yield_now();
            }
        }
        assert_eq!(lock(&crew.members).handles.len(), 1);
        assert!(crew.join(None));
    }
}
