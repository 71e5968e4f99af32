//! Errors on their way to Python, and exceptions on their way to the core.

use hersh::{ManagedError, MemoError, ReplayError, SendError, StartError, ValueError, WatchError};
use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// The exceptions, which are defined in Python.
pub(crate) use classes::{
    ApiError, ChannelClosed, ConfigError, Error as HershError, ForkError, NotRunning, QueueFull,
    StateError, StopTimeout,
};

mod classes {
    use pyo3::import_exception;

    import_exception!(hersh._errors, ApiError);
    import_exception!(hersh._errors, ChannelClosed);
    import_exception!(hersh._errors, ConfigError);
    import_exception!(hersh._errors, CrashError);
    import_exception!(hersh._errors, Error);
    import_exception!(hersh._errors, ForkError);
    import_exception!(hersh._errors, JournalError);
    import_exception!(hersh._errors, KillError);
    import_exception!(hersh._errors, LimitError);
    import_exception!(hersh._errors, NotRunning);
    import_exception!(hersh._errors, PersistError);
    import_exception!(hersh._errors, QueueFull);
    import_exception!(hersh._errors, StateError);
    import_exception!(hersh._errors, StopError);
    import_exception!(hersh._errors, StopTimeout);
    import_exception!(hersh._errors, WatchError);
}

pub(crate) fn start(error: &StartError) -> PyErr {
    let words = error.to_string();
    match error {
        StartError::Api(_) => ApiError::new_err(words),
        StartError::Journal(_) | StartError::Replay(_) | StartError::Diverged(_) => {
            classes::JournalError::new_err(words)
        }
        StartError::Persist(_) => classes::PersistError::new_err(words),
        _ => StateError::new_err(words),
    }
}

pub(crate) fn replay(error: &ReplayError) -> PyErr {
    classes::JournalError::new_err(error.to_string())
}

pub(crate) fn send(error: &SendError) -> PyErr {
    match error {
        SendError::QueueFull { .. } => QueueFull::new_err(error.to_string()),
        _ => NotRunning::new_err(error.to_string()),
    }
}

pub(crate) fn watch(error: &WatchError) -> PyErr {
    let words = error.to_string();
    match error {
        WatchError::Limit { .. } => classes::LimitError::new_err(words),
        WatchError::ZeroPeriod { .. } => PyValueError::new_err(words),
        WatchError::NotRunning { .. } => NotRunning::new_err(words),
        _ => classes::WatchError::new_err(words),
    }
}

pub(crate) fn memo(error: MemoError<PyErr>) -> PyErr {
    match error {
        MemoError::Compute(raised) => raised,
        MemoError::Limit { .. } => classes::LimitError::new_err(error.to_string()),
        MemoError::Recursive { .. } => PyRecursionError::new_err(error.to_string()),
        _ => classes::WatchError::new_err(error.to_string()),
    }
}

pub(crate) fn value(error: ValueError) -> PyErr {
    match error {
        ValueError::Update(raised) => match raised.downcast::<PyErr>() {
            Ok(raised) => *raised,
            Err(other) => classes::WatchError::new_err(other.to_string()),
        },
        other => classes::WatchError::new_err(other.to_string()),
    }
}

/// Whether an exception asks for a crash.
pub(crate) fn crashes(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<classes::CrashError>(py)
}

/// What a managed function meant by what it raised.
pub(crate) fn raised(py: Python<'_>, error: &PyErr) -> ManagedError {
    let reason = || error.value(py).to_string();
    if error.is_instance_of::<classes::StopError>(py) {
        ManagedError::stop(reason())
    } else if error.is_instance_of::<classes::KillError>(py) {
        ManagedError::kill(reason())
    } else if error.is_instance_of::<classes::CrashError>(py) {
        ManagedError::crash(reason())
    } else {
        traceback(py, error).into()
    }
}

/// An exception with its traceback, as Python prints it.
pub(crate) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let arguments = (error.get_type(py), error.value(py), error.traceback(py));
        let lines = py.import("traceback")?.call_method1("format_exception", arguments)?;
        Ok(lines.extract::<Vec<String>>()?.concat().trim_end().to_owned())
    };
    format().unwrap_or_else(|_| error.to_string())
}

/// The logger `hersh` of Python's logging.
fn logger(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = || {
        let logger = py.import("logging")?.call_method1("getLogger", ("hersh",))?;
        PyResult::Ok(logger.unbind())
    };
    LOGGER.get_or_try_init(py, made).map(|logger| logger.bind(py))
}

/// Tells Python's logging.
pub(crate) fn tell(py: Python<'_>, level: &str, words: &str) -> PyResult<()> {
    logger(py)?.call_method1(level, ("%s", words)).map(drop)
}

/// Tells Python's logging of an exception; what goes wrong there is no reason to fail here.
pub(crate) fn log(py: Python<'_>, level: &str, words: &str, error: &PyErr) {
    let log = || -> PyResult<()> {
        let details = PyDict::new(py);
        details.set_item(intern!(py, "exc_info"), error.value(py))?;
        logger(py)?.call_method(level, ("%s", words), Some(&details))?;
        Ok(())
    };
    if let Err(problem) = log() {
        problem.write_unraisable(py, None);
    }
}
