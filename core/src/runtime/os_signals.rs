//! SIGINT and SIGTERM for `Watcher::run`.

use std::io;

/// Calls back on each SIGINT and SIGTERM until dropped.
#[cfg(all(unix, feature = "signals"))]
pub(crate) struct OsSignals {
    handle: signal_hook::iterator::Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[cfg(all(unix, feature = "signals"))]
impl OsSignals {
    pub(crate) fn on_each(mut call: impl FnMut() + Send + 'static) -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let thread =
            std::thread::Builder::new().name("hersh-signals".to_owned()).spawn(move || {
                for _ in signals.forever() {
                    call();
                }
            })?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

#[cfg(all(unix, feature = "signals"))]
impl Drop for OsSignals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only forwards; a panic of it is a panic of the callback, already reported.
            let _ = thread.join();
        }
    }
}

/// Elsewhere, and without the feature `signals`, a signal does what it does to any process, and `run`
/// waits for the watcher alone.
#[cfg(not(all(unix, feature = "signals")))]
pub(crate) struct OsSignals;

#[cfg(not(all(unix, feature = "signals")))]
impl OsSignals {
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as where there are signals")]
    pub(crate) fn on_each(_call: impl FnMut() + Send + 'static) -> io::Result<Self> {
        Ok(Self)
    }
}
