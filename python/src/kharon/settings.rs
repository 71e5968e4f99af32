//! Settings of a Kharon as Python gives them.

use hersh::kharon::{Backoff, Settings};
use pyo3::prelude::*;

use super::reading::label;
use crate::config::{duration, number, option};
use crate::errors::ConfigError;

/// Reads a `hersh.kharon.Settings`.
pub(crate) fn read(given: Option<&Bound<'_, PyAny>>) -> PyResult<Settings> {
    let Some(given) = given else { return Ok(Settings::default()) };
    let read = || -> PyResult<Settings> {
        let tubes: Vec<String> = given.getattr("tubes")?.extract()?;
        Ok(Settings {
            workers: number(given, "workers")?,
            batch_size: number(given, "batch_size")?,
            process_time: duration(given, "process_time")?,
            max_poll_interval: duration(given, "max_poll_interval")?,
            min_poll_interval: duration(given, "min_poll_interval")?,
            expiration: number(given, "expiration")?,
            backoff: Backoff {
                base: number(given, "backoff_base")?,
                max: duration(given, "max_backoff")?,
                jitter: number(given, "jitter")?,
            },
            max_attempts: number(given, "max_attempts")?,
            keep_done: option(given, "keep_done", |after| {
                crate::config::seconds(after, "keep_done")
            })?,
            tubes: tubes.iter().map(|tube| label(tube)).collect::<PyResult<_>>()?,
        })
    };
    read().map_err(|error| ConfigError::new_err(error.value(given.py()).to_string()))
}
