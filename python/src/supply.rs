//! Python's own queues and iterators, as sources of values.

use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use crate::channel::Channel;
use crate::shared::lock;
use crate::value::Object;

/// Where the values of a flow come from.
pub(crate) enum Supply {
    /// Has `get(timeout=…)`, like `queue.Queue`.
    Queue(Py<PyAny>),
    Iterator {
        source: Py<PyAny>,
        iterator: Py<PyIterator>,
    },
    /// A `Channel`, where it is not watched by the core itself.
    Channel(Receiver<Object>),
}

/// What there was.
pub(crate) enum Next {
    Value(Object),
    Nothing,
    End,
}

impl Supply {
    pub(crate) fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(channel) = source.cast::<Channel>() {
            return Ok(Self::Channel(channel.get().receiver()?.clone()));
        }
        if source.hasattr("get")? && !source.hasattr("__getitem__")? {
            return Ok(Self::Queue(source.clone().unbind()));
        }
        let iterator = source.try_iter()?.unbind();
        Ok(Self::Iterator { source: source.clone().unbind(), iterator })
    }

    /// The next value. A queue is waited for, at most for so long; an iterator takes its time.
    pub(crate) fn next(&self, py: Python<'_>, wait: Duration) -> PyResult<Next> {
        match self {
            Self::Queue(queue) => from_queue(queue.bind(py), wait),
            Self::Iterator { iterator, .. } => match iterator.clone_ref(py).into_bound(py).next() {
                Some(value) => Ok(Next::Value(Object::new(value?.unbind()))),
                None => Ok(Next::End),
            },
            Self::Channel(channel) => Ok(match channel.try_recv() {
                Ok(value) => Next::Value(value),
                Err(TryRecvError::Empty) => Next::Nothing,
                Err(TryRecvError::Disconnected) => Next::End,
            }),
        }
    }

    const fn is_queue(&self) -> bool {
        !matches!(self, Self::Iterator { .. })
    }

    /// The Python objects that it keeps.
    fn objects(&self) -> Vec<&Py<PyAny>> {
        match self {
            Self::Queue(queue) => vec![queue],
            Self::Iterator { source, iterator } => vec![source, iterator.as_any()],
            Self::Channel(_) => Vec::new(),
        }
    }

    fn is_of(&self, other: &Bound<'_, PyAny>) -> bool {
        match self {
            Self::Queue(source) | Self::Iterator { source, .. } => source.is(other),
            Self::Channel(_) => false,
        }
    }
}

fn from_queue(queue: &Bound<'_, PyAny>, wait: Duration) -> PyResult<Next> {
    let py = queue.py();
    let arguments = PyDict::new(py);
    arguments.set_item("timeout", wait.as_secs_f64())?;
    match queue.call_method("get", (), Some(&arguments)) {
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

/// A supply, and the value that was taken from it and not handed on: the next session that watches
/// the same source begins with that one.
pub(crate) struct Tap {
    supply: Supply,
    held: Mutex<Option<Object>>,
    /// Held by the pump that takes from it: the next session's waits until the last one's is gone.
    pub(crate) turn: Mutex<()>,
}

impl Tap {
    pub(crate) fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let supply = Supply::of(source)?;
        Ok(Self { supply, held: Mutex::default(), turn: Mutex::default() })
    }

    pub(crate) fn next(&self, py: Python<'_>, wait: Duration) -> PyResult<Next> {
        let held = lock(&self.held).take();
        held.map_or_else(|| self.supply.next(py, wait), |value| Ok(Next::Value(value)))
    }

    pub(crate) fn give_back(&self, value: Object) {
        *lock(&self.held) = Some(value);
    }

    pub(crate) fn is_of(&self, source: &Bound<'_, PyAny>) -> bool {
        self.supply.is_of(source)
    }

    /// Whether there may be several values at once, of which only the newest is wanted.
    pub(crate) const fn is_queue(&self) -> bool {
        self.supply.is_queue()
    }

    /// Shows the Python objects that it keeps.
    pub(crate) fn traverse(&self, visit: &mut dyn FnMut(&Py<PyAny>)) {
        self.supply.objects().into_iter().for_each(&mut *visit);
        if let Ok(held) = self.held.try_lock() {
            held.as_ref().and_then(Object::sole).into_iter().for_each(visit);
        }
    }
}
