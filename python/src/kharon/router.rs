//! The handlers of a Python router, as a router of the core.

use std::sync::Arc;

use hersh::kharon::{Handled, Limit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::claims::Claim;
use crate::config;
use crate::errors::{log, traceback};
use crate::interpreter::enter;

/// Reads a `hersh.kharon.Router`.
pub(crate) fn read(router: &Bound<'_, PyAny>) -> PyResult<hersh::kharon::Router> {
    let mut native = hersh::kharon::Router::new();
    for (kind, handler) in router.getattr("handlers")?.cast_into::<PyDict>()? {
        let (kind, handler) = (kind.extract::<String>()?, Arc::new(handler.unbind()));
        native = native.handle(&kind, move |claim| run(&handler, claim));
    }
    let not_found = router.getattr("fallback")?;
    if !not_found.is_none() {
        let handler = Arc::new(not_found.unbind());
        native = native.not_found(move |claim| run(&handler, claim));
    }
    for (kind, limit) in router.getattr("limits")?.cast_into::<PyDict>()? {
        native = native.limit(&kind.extract::<String>()?, read_limit(&limit)?);
    }
    Ok(native)
}

/// Reads `(concurrency, rate)`, where a rate is `(most, seconds)`.
fn read_limit(limit: &Bound<'_, PyAny>) -> PyResult<Limit> {
    let (concurrency, rate): (Option<usize>, Option<(u32, Bound<'_, PyAny>)>) = limit.extract()?;
    let mut read = Limit::default();
    read.concurrency = concurrency;
    read.rate = match rate {
        Some((most, time)) => Some((most, config::seconds(&time, "rate")?)),
        None => None,
    };
    Ok(read)
}

/// Runs a handler. What it raises becomes the reason: its words first, as a long one is cut short.
fn run(handler: &Py<PyAny>, claim: &hersh::kharon::Claim) -> Handled {
    let ran = enter(|py| {
        let lent = Py::new(py, Claim::lend(claim)).map_err(|error| error.to_string())?;
        let answer = handler.call1(py, (lent.clone_ref(py),));
        py.detach(|| lent.get().take_back());
        answer.map(drop).map_err(|error| {
            let words = format!("the handler of {} raised, with {}", claim.kind, claim.id);
            log(py, "warning", &words, &error);
            format!("{error}\n{}", traceback(py, &error))
        })
    });
    match ran {
        Some(Ok(())) => Ok(()),
        Some(Err(words)) => Err(words.into()),
        None => Err("the interpreter is ending".into()),
    }
}
