//! The suite that every store is held to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::kharon::conformance::{Subject, checks};
use hersh::kharon::store::Store;
use pyo3::exceptions::{PyAssertionError, PyValueError};
use pyo3::prelude::*;

use super::clock::VirtualClock;
use super::stores;
use crate::interpreter::enter;
use crate::shared::lock;

/// Stores that a Python function makes, under one clock that can be moved.
struct Made<'a> {
    factory: &'a Py<PyAny>,
    clock: Arc<hersh::kharon::VirtualClock>,
    /// Why the function made none.
    problem: Mutex<Option<PyErr>>,
}

impl Subject for Made<'_> {
    fn fresh(&self) -> Arc<dyn Store> {
        let made = enter(|py| {
            let make = || {
                let clock = Py::new(py, VirtualClock(Arc::clone(&self.clock)))?;
                stores::store(self.factory.call1(py, (clock,))?.bind(py))
            };
            make().map_err(|error| lock(&self.problem).replace(error))
        });
        match made {
            Some(Ok(store)) => store,
            _ => panic!("the store could not be made"),
        }
    }

    fn pass(&self, _: &dyn Store, time: Duration) {
        self.clock.advance(time);
    }
}

/// Holds a store to the suite that every store passes; how many checks held.
#[pyfunction]
#[pyo3(signature = (store_factory, *, only=None))]
pub(crate) fn conformance(
    py: Python<'_>,
    store_factory: Py<PyAny>,
    only: Option<&str>,
) -> PyResult<usize> {
    let chosen: Vec<_> =
        checks().into_iter().filter(|check| only.is_none_or(|only| only == check.name)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = checks().iter().map(|check| check.name).collect();
        let words = format!("no such check; there are {}", known.join(", "));
        return Err(PyValueError::new_err(words));
    }
    let mut failed = Vec::new();
    for check in &chosen {
        let subject =
            Made { factory: &store_factory, clock: Arc::default(), problem: Mutex::default() };
        let ran = py.detach(|| catch_unwind(AssertUnwindSafe(|| check.run(&subject))));
        if let Some(problem) = lock(&subject.problem).take() {
            return Err(problem);
        }
        if let Err(panic) = ran {
            failed.push(format!("{}: {}", check.name, said(&*panic)));
        }
        py.check_signals()?;
    }
    if failed.is_empty() {
        return Ok(chosen.len());
    }
    let count = format!("{} of {} checks do not hold", failed.len(), chosen.len());
    Err(PyAssertionError::new_err(format!("{count}\n\n{}", failed.join("\n\n"))))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    words
        .or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()))
        .unwrap_or_default()
}
