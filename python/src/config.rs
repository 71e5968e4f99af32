//! Settings as Python gives them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use hersh::http::BearerToken;
use hersh::{ApiConfig, Config, Journal, Persist, PersistWhen, RecoveryPolicy};
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
            persist: option(config, "persist", persist)?,
            journal: option(config, "journal", journal)?,
            api: option(config, "api", api)?.flatten(),
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

/// A field that may be `None` for off.
pub(crate) fn option<'py, T>(
    config: &Bound<'py, PyAny>,
    field: &str,
    read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    let value = config.getattr(field)?;
    if value.is_none() { Ok(None) } else { read(&value).map(Some) }
}

/// A path, or a `Persist`.
fn persist(given: &Bound<'_, PyAny>) -> PyResult<Persist> {
    if let Ok(path) = given.extract::<PathBuf>() {
        return Ok(Persist::to(path));
    }
    let when = given.getattr("when")?;
    let when = match when.extract::<String>().unwrap_or_default().as_str() {
        "each_execution" => PersistWhen::EachExecution,
        "at_stop" => PersistWhen::AtStop,
        _ => {
            let words = format!("persist.when is \"each_execution\" or \"at_stop\", not {when}");
            return Err(PyValueError::new_err(words));
        }
    };
    Ok(Persist { path: given.getattr("path")?.extract()?, when })
}

/// A path, or a `Journal`.
fn journal(given: &Bound<'_, PyAny>) -> PyResult<Journal> {
    if let Ok(path) = given.extract::<PathBuf>() {
        return Ok(Journal::to(path));
    }
    let path = given.getattr("path")?.extract()?;
    let keep = number(given, "keep").map_err(|_| nonsense(given, "journal.keep"))?;
    let max_bytes = number(given, "max_bytes").map_err(|_| nonsense(given, "journal.max_bytes"))?;
    Ok(Journal { path, max_bytes, keep })
}

fn nonsense(given: &Bound<'_, PyAny>, field: &str) -> PyErr {
    PyValueError::new_err(format!("{field} makes no sense in {given}"))
}

/// Whether to serve the API, or an `ApiConfig`.
fn api(given: &Bound<'_, PyAny>) -> PyResult<Option<ApiConfig>> {
    if let Ok(wanted) = given.extract::<bool>() {
        return Ok(wanted.then(ApiConfig::default));
    }
    let mut config = ApiConfig::default();
    let (host, port): (Option<String>, Option<u16>) =
        (given.getattr("host")?.extract()?, number(given, "port")?);
    let port = port.unwrap_or_else(|| config.address.port());
    config.address = match host {
        None => SocketAddr::new(config.address.ip(), port),
        Some(host) => address(&host, port)?,
    };
    config.allowed_hosts = given.getattr("allowed_hosts")?.extract()?;
    config.show_secrets = given.getattr("show_secrets")?.extract()?;
    if let Some(token) = given.getattr("token")?.extract::<Option<String>>()? {
        let empty = || PyValueError::new_err("api.token cannot be empty");
        config.token = Some(BearerToken::new(token).ok_or_else(empty)?);
    }
    Ok(Some(config))
}

fn address(host: &str, port: u16) -> PyResult<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| PyValueError::new_err(format!("api.host: {host:?} is no address")))
}

pub(crate) fn duration(object: &Bound<'_, PyAny>, field: &str) -> PyResult<Duration> {
    seconds(&object.getattr(field)?, field)
}

pub(crate) fn number<'py, T>(object: &Bound<'py, PyAny>, field: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let value = object.getattr(field)?;
    value.extract().map_err(|_| PyValueError::new_err(format!("{field} cannot be {value}")))
}
