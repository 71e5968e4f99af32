//! Threads that carry values from Python's own queues and iterators into a flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use crate::errors::{StateError, traceback};
use crate::interpreter::enter;
use crate::shared::Shared;
use crate::value::Object;

/// How long a pump waits at one go before it looks whether it is still needed.
const SLICE: Duration = Duration::from_millis(100);

/// A pump, as the watcher that needs it holds it. Dropping it ends the pump.
///
/// One value is held ready, and one may be on its way: these two are lost to the queue when the
/// watcher ends.
pub(crate) struct Pump {
    receiver: Receiver<Object>,
    over: Arc<AtomicBool>,
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Where the values come from.
enum Supply {
    /// Has `get(timeout=…)`, like `queue.Queue`.
    Queue(Py<PyAny>),
    Iterator(Py<PyIterator>),
}

enum Next {
    Value(Object),
    Nothing,
    End,
}

impl Pump {
    pub(crate) fn start(
        source: &Bound<'_, PyAny>,
        context: &hersh::Context,
        shared: &Arc<Shared>,
    ) -> PyResult<Self> {
        let supply = if source.hasattr("get")? {
            Supply::Queue(source.clone().unbind())
        } else {
            Supply::Iterator(source.try_iter()?.unbind())
        };
        let (sender, receiver) = bounded(1);
        let over = Arc::new(AtomicBool::new(false));
        let context = context.clone();
        let end = End { over: Arc::clone(&over), shared: Arc::downgrade(shared) };
        thread::Builder::new()
            .name("hersh-pump".to_owned())
            .spawn(move || run(&supply, &sender, &end, &context))
            .map_err(|error| {
                StateError::new_err(format!("the machine refused a thread: {error}"))
            })?;
        Ok(Self { receiver, over })
    }

    pub(crate) fn receiver(&self) -> Receiver<Object> {
        self.receiver.clone()
    }
}

/// When a pump is no longer needed: it was dropped, or the session is over.
struct End {
    over: Arc<AtomicBool>,
    shared: Weak<Shared>,
}

impl End {
    fn has_come(&self) -> bool {
        self.over.load(Ordering::Relaxed)
            || !self.shared.upgrade().is_some_and(|shared| shared.is_running())
    }
}

fn run(supply: &Supply, sender: &Sender<Object>, end: &End, context: &hersh::Context) {
    while !end.has_come() {
        match enter(|py| supply.next(py).map_err(|error| traceback(py, &error))) {
            Some(Ok(Next::Value(value))) => {
                if !deliver(value, sender, end) {
                    return;
                }
            }
            Some(Ok(Next::Nothing)) => {}
            Some(Ok(Next::End)) | None => return,
            Some(Err(words)) => return context.log(&words),
        }
    }
}

/// Waits until the value is taken; `false` when nobody wants it any more.
fn deliver(mut value: Object, sender: &Sender<Object>, end: &End) -> bool {
    while !end.has_come() {
        match sender.send_timeout(value, SLICE) {
            Ok(()) => return true,
            Err(SendTimeoutError::Timeout(back)) => value = back,
            Err(SendTimeoutError::Disconnected(_)) => return false,
        }
    }
    false
}

impl Supply {
    fn next(&self, py: Python<'_>) -> PyResult<Next> {
        match self {
            Self::Queue(queue) => from_queue(queue.bind(py)),
            Self::Iterator(iterator) => match iterator.clone_ref(py).into_bound(py).next() {
                Some(value) => Ok(Next::Value(Object::new(value?.unbind()))),
                None => Ok(Next::End),
            },
        }
    }
}

fn from_queue(queue: &Bound<'_, PyAny>) -> PyResult<Next> {
    let py = queue.py();
    let wait = PyDict::new(py);
    wait.set_item("timeout", SLICE.as_secs_f64())?;
    match queue.call_method("get", (), Some(&wait)) {
        Ok(value) => Ok(Next::Value(Object::new(value.unbind()))),
        Err(error) => {
            let queue = py.import("queue")?;
            if error.matches(py, queue.getattr("Empty")?)? {
                return Ok(Next::Nothing);
            }
            // Since Python 3.13 a queue can be shut down.
            match queue.getattr_opt("ShutDown")? {
                Some(shut) if error.matches(py, &shut)? => Ok(Next::End),
                _ => Err(error),
            }
        }
    }
}
