//! Functions of Python as functions of the core.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, Weak};

use hersh::ManagedError;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::context::Context;
use crate::errors::{crashes, log, raised, traceback};
use crate::interpreter::{enter, is_ending};
use crate::scripts::Scripted;
use crate::seen::Message;
use crate::shared::{Mode, Shared, lock};
use crate::value::Object;

thread_local! {
    /// What interrupts whoever runs a simulation or a replay: Ctrl-C, `sys.exit()`.
    static INTERRUPT: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// What has interrupted the functions that this thread ran for a simulation or a replay.
pub(crate) fn take_interrupt() -> PyResult<()> {
    INTERRUPT.with(|slot| slot.borrow_mut().take()).map_or(Ok(()), Err)
}

/// Keeps what is no mere exception for [`take_interrupt`]; whether it was that.
fn interrupts(py: Python<'_>, mode: Mode, error: &PyErr) -> bool {
    let interrupts = mode != Mode::Live && !error.is_instance_of::<PyException>(py);
    if interrupts {
        INTERRUPT.with(|slot| slot.replace(Some(error.clone_ref(py))));
    }
    interrupts
}

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
        call().map_err(|error| failed(py, &shared, context, &error))
    };
    shared.inside(|| enter(run)).unwrap_or_else(|| Err(ending()))
}

/// What a managed function meant by what it raised; said in the logs where it is news.
fn failed(
    py: Python<'_>,
    shared: &Shared,
    context: &hersh::Context,
    error: &PyErr,
) -> ManagedError {
    if interrupts(py, shared.mode, error) {
        return ManagedError::kill("it was interrupted");
    }
    // What a function raises because its watcher was killed under it is news to nobody.
    let is_news = shared.mode != Mode::Live || (shared.is_running() && !is_ending());
    let id = context.watcher_id();
    if crashes(py, error) {
        // The reason of a crash is its words alone; where it came from stands in the log.
        context.log(&traceback(py, error));
        log(py, "warning", &format!("{id}: the managed function crashed"), error);
    }
    let meant = raised(py, error);
    if is_news && matches!(meant, ManagedError::Other(_)) {
        log(py, "error", &format!("{id}: the managed function raised"), error);
    }
    meant
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
            interrupts(py, shared.mode, &error);
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
    shared: Weak<Shared>,
    /// Whether it is to be given the value before. Found out when it is first called.
    takes_previous: Option<bool>,
    last: Option<Object>,
}

impl Poll {
    pub(crate) fn new(name: &str, function: Py<PyAny>, shared: &Arc<Shared>) -> Self {
        let (name, shared) = (name.to_owned(), Arc::downgrade(shared));
        Self { name, function, shared, takes_previous: None, last: None }
    }

    /// The next value; `None` when Python finds it equal to the last.
    pub(crate) fn next(&mut self) -> Result<Option<Object>, String> {
        let next = enter(|py| {
            let shared = self.shared.upgrade();
            let scripted = shared.as_ref().and_then(|shared| shared.scripts.next(&self.name));
            let brought = match scripted {
                Some(Scripted::Value(value)) => Ok(value),
                Some(Scripted::Failure(words)) => return Err(words),
                None => self.call(py),
            };
            brought.map(|value| self.differs(py, value)).map_err(|error| {
                let mode = shared.map_or(Mode::Live, |shared| shared.mode);
                interrupts(py, mode, &error);
                log(py, "warning", &format!("the poll of {:?} raised", self.name), &error);
                traceback(py, &error)
            })
        });
        next.unwrap_or_else(|| Err("the interpreter is ending".to_owned()))
    }

    fn call(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let takes = *self.takes_previous.get_or_insert_with(|| takes_one(self.function.bind(py)));
        if takes {
            self.function.call1(py, (self.last.as_ref().map(|last| last.get(py)),))
        } else {
            self.function.call0(py)
        }
    }

    /// Values that cannot be compared, like arrays, count as different.
    fn differs(&mut self, py: Python<'_>, value: Py<PyAny>) -> Option<Object> {
        let same = |last: &Object| value.bind(py).eq(last.bind(py)).unwrap_or(false);
        if self.last.as_ref().is_some_and(same) {
            return None;
        }
        Some(self.last.insert(Object::new(value)).clone())
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
