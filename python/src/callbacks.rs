//! Functions of Python as functions of the core.

use std::sync::{Mutex, Weak};

use hersh::ManagedError;
use pyo3::prelude::*;

use crate::context::Context;
use crate::errors::{log, raised, traceback};
use crate::interpreter::enter;
use crate::seen::Message;
use crate::shared::{Shared, lock};
use crate::value::Object;

/// What an execution answers when there is no interpreter to run it.
fn ending() -> ManagedError {
    ManagedError::kill("the interpreter is ending")
}

fn function(of: &Mutex<Option<Py<PyAny>>>, py: Python<'_>) -> Option<Py<PyAny>> {
    lock(of).as_ref().map(|function| function.clone_ref(py))
}

/// Runs the managed function.
pub(crate) fn execute(
    shared: &Weak<Shared>,
    message: Option<&hersh::Message>,
    context: &hersh::Context,
) -> Result<(), ManagedError> {
    let shared = shared.upgrade().ok_or_else(ending)?;
    let run = |py: Python<'_>| {
        let call = || -> PyResult<()> {
            let Some(managed) = function(&shared.managed, py) else { return Ok(()) };
            let message = message.map(|message| Py::new(py, Message::from(message))).transpose()?;
            let context = Py::new(py, Context::new(context, &shared))?;
            managed.call1(py, (message, context)).map(drop)
        };
        call().map_err(|error| {
            let meant = raised(py, &error);
            // What a function raises because its watcher was killed under it is news to nobody.
            if matches!(meant, ManagedError::Other(_)) && shared.is_running() {
                let id = context.watcher_id();
                log(py, "error", &format!("{id}: the managed function raised"), &error);
            }
            meant
        })
    };
    shared.inside(|| enter(run)).unwrap_or_else(|| Err(ending()))
}

/// Runs the cleanup function. What it raises is logged: the end is the end.
pub(crate) fn clean_up(shared: &Weak<Shared>, context: &hersh::Context) {
    let Some(shared) = shared.upgrade() else { return };
    let run = |py: Python<'_>| {
        let call = || -> PyResult<()> {
            let Some(cleanup) = function(&shared.cleanup, py) else { return Ok(()) };
            let context = Py::new(py, Context::new(context, &shared))?;
            cleanup.call1(py, (context,)).map(drop)
        };
        let id = context.watcher_id();
        call().err().map(|error| {
            log(py, "error", &format!("{id}: the cleanup function raised"), &error);
            traceback(py, &error)
        })
    };
    if let Some(Some(words)) = shared.inside(|| enter(run)) {
        context.log(&words);
    }
}

/// A function of Python that is polled.
pub(crate) struct Poll {
    name: String,
    function: Py<PyAny>,
    /// Whether it is to be given the value before. Found out when it is first called.
    takes_previous: Option<bool>,
    last: Option<Object>,
}

impl Poll {
    pub(crate) fn new(name: &str, function: Py<PyAny>) -> Self {
        Self { name: name.to_owned(), function, takes_previous: None, last: None }
    }

    /// The next value; the old one itself when Python finds the two equal.
    pub(crate) fn next(&mut self) -> Result<Object, String> {
        let next = enter(|py| {
            self.call(py).map_err(|error| {
                log(py, "warning", &format!("the poll of {:?} raised", self.name), &error);
                traceback(py, &error)
            })
        });
        next.unwrap_or_else(|| Err("the interpreter is ending".to_owned()))
    }

    fn call(&mut self, py: Python<'_>) -> PyResult<Object> {
        let takes = *self.takes_previous.get_or_insert_with(|| takes_one(self.function.bind(py)));
        let value = if takes {
            self.function.call1(py, (self.last.as_ref().map(|last| last.get(py)),))?
        } else {
            self.function.call0(py)?
        };
        // Values that cannot be compared, like arrays, count as different.
        let same = |last: &&Object| value.bind(py).eq(last.bind(py)).unwrap_or(false);
        if let Some(last) = self.last.as_ref().filter(same) {
            return Ok(last.clone());
        }
        Ok(self.last.insert(Object::new(value)).clone())
    }
}

/// Whether a function has a parameter that must be given. One that does not show its signature is
/// taken to have none.
fn takes_one(function: &Bound<'_, PyAny>) -> bool {
    let ask = || -> PyResult<bool> {
        let inspect = function.py().import("inspect")?;
        let parameters = inspect.call_method1("signature", (function,))?.getattr("parameters")?;
        let empty = inspect.getattr("Parameter")?.getattr("empty")?;
        for parameter in parameters.call_method0("values")?.try_iter()? {
            let parameter = parameter?;
            // Positional only is 0, positional or by keyword 1.
            if parameter.getattr("kind")?.extract::<u8>()? <= 1
                && parameter.getattr("default")?.is(&empty)
            {
                return Ok(true);
            }
        }
        Ok(false)
    };
    ask().unwrap_or(false)
}
