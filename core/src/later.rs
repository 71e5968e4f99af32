//! Destructors that wait until the locks are released.
//!
//! Watched values, polls and channels come from the user's program, and so do their destructors. One
//! that calls the watcher would wait for a lock that its own thread holds; so whatever is dropped
//! under a lock is kept, and really dropped by the same thread right after it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The most room that is kept for the next time.
const MOST_ROOM: usize = 1024;

thread_local! {
    /// The locks that this thread holds.
    static LOCKS: Cell<usize> = const { Cell::new(0) };
    /// What it has let go of meanwhile.
    static KEPT: RefCell<Vec<Arc<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// To be made before a lock is taken and dropped after it has been released.
pub(crate) struct Held(());

impl Held {
    pub(crate) fn new() -> Self {
        LOCKS.set(LOCKS.get() + 1);
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        LOCKS.set(LOCKS.get() - 1);
        if LOCKS.get() == 0 {
            drop_kept();
        }
    }
}

/// Drops what has been kept. Its destructors may lock, and so keep something again.
fn drop_kept() {
    loop {
        let Ok(mut kept) = KEPT.try_with(RefCell::take) else { return };
        if kept.is_empty() {
            return;
        }
        kept.clear();
        if kept.capacity() <= MOST_ROOM {
            // Refused while the thread ends: then there is no next time.
            let _ = KEPT.try_with(|room| {
                if room.borrow().is_empty() {
                    room.replace(kept);
                }
            });
        }
    }
}

/// Whether what is dropped now has to be kept.
pub(crate) fn must_wait() -> bool {
    LOCKS.get() > 0
}

/// Keeps this until the locks are released.
pub(crate) fn keep(dropped: Arc<dyn Any>) {
    // Refused while the thread ends: then it is dropped here.
    let _ = KEPT.try_with(move |kept| kept.borrow_mut().push(dropped));
}

/// Something of the user's that may be dropped under a lock.
pub(crate) struct Later<T: 'static>(Option<T>);

impl<T> Later<T> {
    pub(crate) const fn new(it: T) -> Self {
        Self(Some(it))
    }

    pub(crate) fn get(&self) -> &T {
        let Some(it) = &self.0 else { unreachable!("it is taken when it is dropped") };
        it
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        let Some(it) = &mut self.0 else { unreachable!("it is taken when it is dropped") };
        it
    }
}

impl<T> Drop for Later<T> {
    fn drop(&mut self) {
        if must_wait()
            && let Some(it) = self.0.take()
        {
            keep(Arc::new(it));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    struct Noting(Rc<RefCell<Vec<&'static str>>>, &'static str);

    impl Drop for Noting {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
        }
    }

    #[test]
    fn what_is_dropped_under_locks_goes_after_the_last() {
        let gone = Rc::new(RefCell::new(Vec::new()));
        let later = |name| Later::new(Noting(Rc::clone(&gone), name));
        drop(later("free"));
        let (outer, inner) = (Held::new(), Held::new());
        drop(later("under two locks"));
        drop(inner);
        assert_eq!(*gone.borrow(), ["free"]);
        drop(outer);
        assert_eq!(*gone.borrow(), ["free", "under two locks"]);
    }
}
