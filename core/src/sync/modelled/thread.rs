//! Threads, with what the runtime asks of them beyond what shuttle's can tell.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use shuttle::thread::{Thread, ThreadId, current, panicking, yield_now};

#[derive(Default)]
pub(crate) struct Builder(shuttle::thread::Builder);

/// A thread that can be joined.
pub(crate) struct JoinHandle<T> {
    handle: shuttle::thread::JoinHandle<T>,
    finished: Arc<AtomicBool>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// The modelled threads have a stack of the same size each.
    pub(crate) fn stack_size(self, _bytes: usize) -> Self {
        self
    }

    pub(crate) fn spawn<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let finished = Arc::new(AtomicBool::new(false));
        let finishing = Arc::clone(&finished);
        let handle = self.0.spawn(move || {
            let result = work();
            finishing.store(true, Ordering::Release);
            result
        })?;
        Ok(JoinHandle { handle, finished })
    }
}

impl<T> JoinHandle<T> {
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    pub(crate) fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    pub(crate) fn join(self) -> shuttle::thread::Result<T> {
        self.handle.join()
    }
}

/// A thread without a name, for the scenarios.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> shuttle::thread::JoinHandle<T> {
    shuttle::thread::spawn(work)
}
