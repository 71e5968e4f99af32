//! A way to tell running work to stop.
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Tells running work to stop; clones are one and the same. Usable from any thread.
#[derive(Debug, Clone)]
pub struct Cancel {
    open: Arc<Mutex<Option<Sender<Infallible>>>>,
    closed: Receiver<Infallible>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// Not cancelled yet.
    pub fn new() -> Self {
        let (open, closed) = bounded(0);
        Self { open: Arc::new(Mutex::new(Some(open))), closed }
    }

    /// Cancels, for good.
    pub fn cancel(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Waits until it is cancelled, at most this long; tells whether it was.
    pub fn wait(&self, at_most: Duration) -> bool {
        self.closed.recv_timeout(at_most) == Err(RecvTimeoutError::Disconnected)
    }

    /// A channel that nothing is ever sent on, and that ends when it is cancelled: for `select!`.
    pub fn signal(&self) -> &Receiver<Infallible> {
        &self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clone_hears_it() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        assert!(!other.wait(Duration::ZERO) && !other.is_cancelled());
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        cancel.cancel();
        assert!(waiter.join().unwrap() && cancel.is_cancelled());
    }
}
