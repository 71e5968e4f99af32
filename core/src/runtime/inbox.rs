//! What polls and timers have brought, on its way to the loop.

use crate::brain::{Input, VarId};
use crate::drive::lock;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::channel::Sender;

/// News of variables, until the loop takes them.
///
/// To put news in and to wake the loop for them are two things, so that many can come at one waking.
/// Whoever puts some in sees to it that the loop is woken soon. One update per variable at most is
/// under way, so `max_watches` bounds what waits here.
pub(super) struct Inbox {
    news: Mutex<Vec<(VarId, Input)>>,
    /// Whether anything waits: looking is cheaper than locking. Written under the lock.
    any: AtomicBool,
    /// Whether the loop has yet to be woken for some of it. Set under the lock.
    untold: AtomicBool,
    wake: Sender<()>,
}

impl Inbox {
    /// For a loop that is woken by a token in this channel.
    pub(super) fn new(wake: Sender<()>) -> Self {
        let (any, untold) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { news: Mutex::default(), any, untold, wake }
    }

    pub(super) fn put(&self, id: VarId, input: Input) {
        let mut news = lock(&self.news);
        news.push((id, input));
        self.any.store(true, Ordering::Release);
        self.untold.store(true, Ordering::Release);
    }

    pub(super) fn is_untold(&self) -> bool {
        self.untold.load(Ordering::Acquire)
    }

    /// Wakes the loop, if it has not been woken for all that is here.
    pub(super) fn tell(&self) {
        if self.untold.swap(false, Ordering::AcqRel) {
            // Full means that a token is there already.
            let _ = self.wake.try_send(());
        }
    }

    /// Hands over all that is here, in the order in which it came.
    pub(super) fn take(&self, feed: &mut dyn FnMut(VarId, Input)) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut news = lock(&self.news);
        self.any.store(false, Ordering::Release);
        self.untold.store(false, Ordering::Release);
        news.drain(..).for_each(|(id, input)| feed(id, input));
    }
}
