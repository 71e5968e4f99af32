//! What Python reads: small objects that do not change.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::value::Object;

/// Seconds since the Unix epoch, as `time.time()` counts them.
pub(crate) fn unix(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The member of `hersh.State` for a state.
pub(crate) fn state(py: Python<'_>, state: hersh::State) -> PyResult<Bound<'_, PyAny>> {
    static STATE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    STATE.import(py, "hersh._state", "State")?.call1((state.as_str(),))
}

/// A message, as the managed function gets it.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Message {
    id: u64,
    content: String,
}

impl From<&hersh::Message> for Message {
    fn from(message: &hersh::Message) -> Self {
        Self { id: message.id(), content: message.content().to_owned() }
    }
}

#[pymethods]
impl Message {
    /// Counts from 1 in the order in which the watcher accepted messages.
    #[getter]
    fn id(&self) -> u64 {
        self.id
    }

    /// What was sent.
    #[getter]
    fn content(&self) -> &str {
        &self.content
    }

    fn __str__(&self) -> &str {
        &self.content
    }

    fn __repr__(&self) -> String {
        format!("Message(id={}, content={:?})", self.id, self.content)
    }
}

/// A watched variable, as one execution sees it.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Watched {
    value: Option<Py<PyAny>>,
    error: Option<String>,
    triggered: bool,
}

impl Watched {
    pub(crate) fn new(py: Python<'_>, watched: &hersh::Watched<Object>) -> Self {
        Self {
            value: watched.value().map(|value| value.get(py)),
            error: watched.error().map(str::to_owned),
            triggered: watched.triggered(),
        }
    }

    pub(crate) fn of_tick(py: Python<'_>, watched: &hersh::Watched<hersh::Tick>) -> PyResult<Self> {
        let tick = watched.value().map(|tick| Py::new(py, Tick::from(*tick))).transpose()?;
        Ok(Self {
            value: tick.map(Py::into_any),
            error: watched.error().map(str::to_owned),
            triggered: watched.triggered(),
        })
    }
}

#[pymethods]
impl Watched {
    /// The current value; ``None`` until the first has come.
    #[getter]
    fn value(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.value.as_ref().map(|value| value.clone_ref(py))
    }

    /// What the last poll raised, with its traceback; the value is then the last good one.
    #[getter]
    fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether a value has ever come.
    #[getter]
    fn updated(&self) -> bool {
        self.value.is_some()
    }

    /// Whether a change of this variable triggered this execution.
    #[getter]
    fn triggered(&self) -> bool {
        self.triggered
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let value = self.value.as_ref();
        let value = value.map_or_else(|| "None".to_owned(), |v| crate::json::repr(v.bind(py)));
        let triggered = if self.triggered { "True" } else { "False" };
        format!("Watched(value={value}, error={:?}, triggered={triggered})", self.error)
    }
}

/// The value of a timer.
#[pyclass(frozen, module = "hersh", eq)]
#[derive(PartialEq)]
pub(crate) struct Tick {
    /// Periods since the timer was set, skipped ones included: 1 for the first tick.
    #[pyo3(get)]
    count: u64,
    /// The moment for which the tick was set.
    #[pyo3(get)]
    time: f64,
}

impl From<hersh::Tick> for Tick {
    fn from(tick: hersh::Tick) -> Self {
        Self { count: tick.count, time: unix(tick.at()) }
    }
}

#[pymethods]
impl Tick {
    fn __repr__(&self) -> String {
        format!("Tick(count={}, time={})", self.count, self.time)
    }
}

/// One line of a log.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct LogEntry {
    /// Counts from 1 within its log, across sessions.
    #[pyo3(get)]
    id: u64,
    /// Which log it is of: one of ``LogType``.
    #[pyo3(get, name = "type")]
    kind: &'static str,
    /// When, on the watcher's clock.
    #[pyo3(get)]
    time: f64,
    /// What it says; with the traceback where an exception is told of.
    #[pyo3(get)]
    text: String,
}

impl From<hersh::LogEntry> for LogEntry {
    fn from(entry: hersh::LogEntry) -> Self {
        Self { id: entry.id, kind: entry.kind.as_str(), time: unix(entry.at), text: entry.text }
    }
}

#[pymethods]
impl LogEntry {
    fn __repr__(&self) -> String {
        format!("LogEntry(id={}, type={:?}, text={:?})", self.id, self.kind, self.text)
    }
}

/// The end of a session.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct StopReport {
    state: hersh::State,
    unserved: Vec<Py<Message>>,
}

impl StopReport {
    pub(crate) fn new(py: Python<'_>, report: &hersh::StopReport) -> PyResult<Self> {
        let messages = report.unserved.iter();
        let unserved = messages.map(|message| Py::new(py, Message::from(&**message)));
        Ok(Self { state: report.state, unserved: unserved.collect::<PyResult<_>>()? })
    }
}

#[pymethods]
impl StopReport {
    /// The state in which it ended.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        state(py, self.state)
    }

    /// Messages that were accepted and not served, oldest first.
    #[getter]
    fn unserved(&self, py: Python<'_>) -> Vec<Py<Message>> {
        self.unserved.iter().map(|message| message.clone_ref(py)).collect()
    }

    fn __repr__(&self) -> String {
        format!("StopReport(state={}, unserved={})", self.state, self.unserved.len())
    }
}
