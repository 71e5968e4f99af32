//! A channel into a watcher.

use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::config;
use crate::errors::{ChannelClosed, QueueFull};
use crate::interpreter::{generation, survived};
use crate::shared::lock;
use crate::value::Object;
use crate::waiting::wait;

/// A channel of objects into a watcher, which holds up to ``capacity`` of them.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Channel {
    sender: Mutex<Option<Sender<Object>>>,
    receiver: Receiver<Object>,
    capacity: usize,
    made: u32,
}

/// The most that a channel can be made to hold.
const MOST: usize = 1 << 24;

impl Channel {
    pub(crate) fn receiver(&self) -> PyResult<&Receiver<Object>> {
        survived(self.made, "Channel")?;
        Ok(&self.receiver)
    }
}

fn closed() -> PyErr {
    ChannelClosed::new_err("the channel is closed")
}

#[pymethods]
impl Channel {
    #[new]
    #[pyo3(signature = (capacity=1024))]
    fn new(capacity: usize) -> PyResult<Self> {
        if !(1..=MOST).contains(&capacity) {
            return Err(PyValueError::new_err(format!("capacity must be from 1 to {MOST}")));
        }
        let (sender, receiver) = bounded(capacity);
        Ok(Self { sender: Mutex::new(Some(sender)), receiver, capacity, made: generation() })
    }

    /// Waits for room; at most for ``timeout``, and then raises ``QueueFull``.
    #[pyo3(signature = (value, timeout=None))]
    fn send(
        &self,
        py: Python<'_>,
        value: Py<PyAny>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        survived(self.made, "Channel")?;
        let limit = config::timeout(timeout)?;
        let sender = py.detach(|| lock(&self.sender).clone()).ok_or_else(closed)?;
        let mut value = Some(Object::new(value));
        let sent = wait(py, limit, |left| {
            let sending = value.take()?;
            match sender.send_timeout(sending, left.unwrap_or(Duration::MAX)) {
                Ok(()) => Some(true),
                Err(SendTimeoutError::Timeout(back)) => {
                    value = Some(back);
                    None
                }
                Err(SendTimeoutError::Disconnected(_)) => Some(false),
            }
        })?;
        match sent {
            Some(true) => Ok(()),
            Some(false) => Err(closed()),
            None => Err(QueueFull::new_err("the channel is full: nobody took a value in time")),
        }
    }

    /// Nothing more can be sent; what was sent before is still delivered.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        survived(self.made, "Channel")?;
        py.detach(|| lock(&self.sender).take());
        Ok(())
    }

    /// The most that it holds.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many values wait.
    fn __len__(&self) -> usize {
        self.receiver.len()
    }

    fn __repr__(&self) -> String {
        format!("<Channel, {} of {}>", self.receiver.len(), self.capacity)
    }
}
