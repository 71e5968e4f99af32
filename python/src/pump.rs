//! Threads that carry values from Python's own queues and iterators into a flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};
use pyo3::prelude::*;

use crate::errors::{StateError, log, traceback};
use crate::interpreter::enter;
use crate::shared::{Shared, lock};
use crate::supply::{Next, Tap};
use crate::value::Object;

/// How long a pump waits at one go before it looks whether it is still needed.
const SLICE: Duration = Duration::from_millis(100);

/// A pump, as the watcher that needs it holds it. Dropping it ends the pump.
///
/// It hands values over one by one: at most one has been taken from the source and not yet by the
/// watcher. When the watch ends then, the value goes back to the [`Tap`].
pub(crate) struct Pump {
    receiver: Receiver<Object>,
    over: Arc<AtomicBool>,
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Pump {
    pub(crate) fn start(
        name: &str,
        tap: &Arc<Tap>,
        latest: bool,
        context: &hersh::Context,
        shared: &Arc<Shared>,
    ) -> PyResult<Self> {
        // Without room of its own a value is handed over or not; the newest alone takes the place
        // of the one before it.
        let (sender, receiver) = bounded(usize::from(latest));
        let over = Arc::new(AtomicBool::new(false));
        let line = Line {
            name: name.to_owned(),
            tap: Arc::clone(tap),
            sender,
            overtaken: latest.then(|| receiver.clone()),
            context: context.clone(),
            over: Arc::clone(&over),
            shared: Arc::downgrade(shared),
        };
        thread::Builder::new().name("hersh-pump".to_owned()).spawn(move || line.run()).map_err(
            |error| StateError::new_err(format!("the machine refused a thread: {error}")),
        )?;
        Ok(Self { receiver, over })
    }

    pub(crate) fn receiver(&self) -> Receiver<Object> {
        self.receiver.clone()
    }
}

/// The thread's side of a pump.
struct Line {
    name: String,
    tap: Arc<Tap>,
    sender: Sender<Object>,
    /// Where only the newest value counts: the way to the one before.
    overtaken: Option<Receiver<Object>>,
    context: hersh::Context,
    over: Arc<AtomicBool>,
    shared: Weak<Shared>,
}

impl Line {
    /// Whether it is no longer needed: it was dropped, or the session is over.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
            || !self.shared.upgrade().is_some_and(|shared| shared.is_running())
    }

    fn run(&self) {
        let _turn = lock(&self.tap.turn);
        while !self.is_over() {
            let next = enter(|py| {
                self.tap.next(py, SLICE).map_err(|error| {
                    log(py, "error", &format!("the source of {:?} raised", self.name), &error);
                    traceback(py, &error)
                })
            });
            match next {
                Some(Ok(Next::Value(value))) => self.deliver(value),
                Some(Ok(Next::Nothing)) => {}
                Some(Ok(Next::End)) | None => return,
                Some(Err(words)) => return self.context.log(&words),
            }
        }
    }

    /// Waits until the value is taken, or nobody wants it any more.
    fn deliver(&self, mut value: Object) {
        if let Some(before) = &self.overtaken {
            while let Err(TrySendError::Full(back)) = self.sender.try_send(value) {
                value = back;
                drop(before.try_recv());
            }
            return;
        }
        while !self.is_over() {
            match self.sender.send_timeout(value, SLICE) {
                Ok(()) => return,
                Err(SendTimeoutError::Timeout(back) | SendTimeoutError::Disconnected(back)) => {
                    value = back;
                }
            }
        }
        self.tap.give_back(value);
    }
}
