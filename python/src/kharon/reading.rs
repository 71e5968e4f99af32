//! Names, times and payloads on their way from Python and to it.

use std::time::Duration;

use hersh::kharon::{InvalidName, Label, Payload, TicketId, Timestamp};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

pub(crate) fn invalid(name: InvalidName) -> PyErr {
    PyValueError::new_err(name.to_string())
}

/// The name of a type, a tube, a group or a key.
pub(crate) fn label(text: &str) -> PyResult<Label> {
    Label::new(text).map_err(invalid)
}

pub(crate) fn ticket_id(text: &str) -> PyResult<TicketId> {
    TicketId::new(text).map_err(invalid)
}

/// Seconds since the Unix epoch; infinity stands for never.
pub(crate) fn timestamp(seconds: f64) -> PyResult<Timestamp> {
    if seconds == f64::INFINITY {
        return Ok(Timestamp::NEVER);
    }
    let since = Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("{seconds} is no time")))?;
    let rounded = since + Duration::from_nanos(500);
    Ok(Timestamp::from_micros(u64::try_from(rounded.as_micros()).unwrap_or(u64::MAX)))
}

/// Seconds since the Unix epoch; infinity for never.
pub(crate) fn seconds(at: Timestamp) -> f64 {
    if at == Timestamp::NEVER {
        return f64::INFINITY;
    }
    Duration::from_micros(at.as_micros()).as_secs_f64()
}

/// Bytes and texts as they are, anything else as JSON.
pub(crate) fn payload(given: &Bound<'_, PyAny>) -> PyResult<Payload> {
    if given.is_none() {
        return Ok(Payload::EMPTY);
    }
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(Payload::from(bytes.as_bytes()));
    }
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Payload::from(&*text.to_cow()?));
    }
    let text = given.py().import("json")?.call_method1("dumps", (given,))?;
    Ok(Payload::from(text.extract::<String>()?))
}

/// A payload read as JSON.
pub(crate) fn parsed<'py>(py: Python<'py>, payload: &Payload) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (PyBytes::new(py, payload),))
}
