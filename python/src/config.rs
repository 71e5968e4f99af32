//! Settings as Python gives them.

use std::time::Duration;

use hersh::{Config, RecoveryPolicy};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::errors::ConfigError;

/// Seconds as a number, or a `timedelta`.
pub(crate) fn seconds(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Duration> {
    let number = match object.extract::<f64>() {
        Ok(number) => number,
        Err(_) => object.call_method0("total_seconds").and_then(|total| total.extract()).map_err(
            |_| PyTypeError::new_err(format!("{what} must be seconds as a number, or a timedelta")),
        )?,
    };
    Duration::try_from_secs_f64(number)
        .map_err(|_| PyValueError::new_err(format!("{what} cannot be {number} seconds")))
}

/// A timeout that may be `None` for none.
pub(crate) fn timeout(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    object.map(|object| seconds(object, "timeout")).transpose()
}

/// Reads a `WatcherConfig`.
pub(crate) fn read(config: Option<&Bound<'_, PyAny>>) -> PyResult<Config> {
    let Some(config) = config else { return Ok(Config::default()) };
    let read = || -> PyResult<Config> {
        let recovery = config.getattr("recovery")?;
        Ok(Config {
            default_timeout: duration(config, "default_timeout")?,
            stop_timeout: duration(config, "stop_timeout")?,
            signal_capacity: number(config, "signal_capacity")?,
            max_log_entries: number(config, "max_log_entries")?,
            max_memo_entries: number(config, "max_memo_entries")?,
            max_watches: number(config, "max_watches")?,
            recovery: RecoveryPolicy {
                max_retries: number(&recovery, "max_retries")?,
                retry_delay: duration(&recovery, "retry_delay")?,
                backoff_factor: number(&recovery, "backoff_factor")?,
                max_delay: duration(&recovery, "max_delay")?,
                jitter: number(&recovery, "jitter")?,
            },
            ..Config::default()
        })
    };
    read().map_err(|error| {
        if error.is_instance_of::<PyValueError>(config.py()) {
            ConfigError::new_err(error.value(config.py()).to_string())
        } else {
            error
        }
    })
}

fn duration(object: &Bound<'_, PyAny>, field: &str) -> PyResult<Duration> {
    seconds(&object.getattr(field)?, field)
}

fn number<'py, T>(object: &Bound<'py, PyAny>, field: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let value = object.getattr(field)?;
    value.extract().map_err(|_| PyValueError::new_err(format!("{field} cannot be {value}")))
}
