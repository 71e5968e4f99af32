//! Stopping watchers from above.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::brain::Event;
use crate::drive::{Cell, lock};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Instant, Mutex};

/// Stops every watcher that has it as its parent, when it is cancelled or its time is over.
///
/// Clones are the same token. Cancelling is idempotent and safe from any thread.
///
/// ```
/// let parent = hersh::CancelToken::new();
/// let watcher = hersh::Watcher::builder().parent(&parent).build()?;
/// watcher.manage("app", |_, _| Ok(()))?;
/// watcher.start()?;
/// parent.cancel();
/// watcher.wait(None);
/// assert_eq!(watcher.state(), hersh::State::Stopped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
    children: Mutex<Vec<Weak<Cell>>>,
}

impl CancelToken {
    /// A token that is cancelled by hand.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled by hand, or when `timeout` has passed.
    ///
    /// Real time counts, also under the simulation: there, advance the clock and cancel by hand.
    pub fn with_timeout(timeout: Duration) -> Self {
        let shared = Shared { deadline: Instant::now().checked_add(timeout), ..Shared::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Stops the children: gracefully, each on its own threads. Returns at once.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        let children = std::mem::take(&mut *lock(&self.shared.children));
        for child in children.iter().filter_map(Weak::upgrade) {
            stop_child(&child);
        }
    }

    /// Whether it has been cancelled or its time is over.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
            || self.shared.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.shared.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Called at the start of each session: a token forgets its children when it is cancelled.
    pub(crate) fn adopt(&self, child: &Arc<Cell>) {
        let mut children = lock(&self.shared.children);
        children.retain(|known| known.upgrade().is_some_and(|known| !Arc::ptr_eq(&known, child)));
        children.push(Arc::downgrade(child));
        drop(children);
        if self.is_cancelled() {
            stop_child(child);
        }
    }
}

fn stop_child(child: &Cell) {
    let request = child.stop_request("the parent was cancelled", false, None);
    // Refused when it has ended already, which is all that was asked.
    let _ = child.feed(Event::Stop(request));
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}
