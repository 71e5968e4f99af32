//! What a managed function is given.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::callbacks::Poll;
use crate::config;
use crate::errors;
use crate::flows::Flows;
use crate::seen::{Message, Watched, unix};
use crate::shared::{Memo, Shared};
use crate::value::Object;

/// One execution, seen from inside. May be used from other threads while it lasts.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Context {
    context: hersh::Context,
    shared: Arc<Shared>,
}

impl Context {
    pub(crate) fn new(context: &hersh::Context, shared: &Arc<Shared>) -> Self {
        Self { context: context.clone(), shared: Arc::clone(shared) }
    }

    /// The core's context, in the process in which it lives.
    fn core(&self) -> PyResult<&hersh::Context> {
        self.shared.survived()?;
        Ok(&self.context)
    }
}

#[pymethods]
impl Context {
    /// The message that triggered this execution, if it was one.
    #[getter]
    fn message(&self) -> Option<Message> {
        self.context.message().map(Message::from)
    }

    /// ``"Init"``, ``"Message"``, ``"Cleanup"``, or the names of the variables that changed.
    #[getter]
    fn trigger<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.context.trigger() {
            trigger @ hersh::Trigger::Vars(_) => Ok(PyList::new(py, trigger.vars())?.into_any()),
            trigger => Ok(trigger.as_str().into_pyobject(py)?.into_any()),
        }
    }

    /// Counts from 1; above 1 this is a retry after a crash. 0 in the cleanup.
    #[getter]
    fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    /// The number of this execution in its session, from 1, retries counted too.
    #[getter]
    fn execution(&self) -> u64 {
        self.context.execution()
    }

    /// The id of the watcher.
    #[getter]
    fn watcher_id(&self) -> &str {
        self.context.watcher_id()
    }

    /// When this execution will count as timed out.
    #[getter]
    fn deadline(&self) -> f64 {
        unix(self.context.deadline())
    }

    /// The function should return soon: it is late, or the watcher is being ended.
    #[getter]
    fn cancelled(&self) -> bool {
        self.context.cancelled()
    }

    /// The time on the watcher's clock, which a simulation can move.
    fn now(&self) -> f64 {
        unix(self.context.now())
    }

    /// Waits, or until this execution is cancelled; whether the whole time has passed.
    fn sleep(&self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<bool> {
        let duration = config::seconds(seconds, "seconds")?;
        let context = self.core()?;
        Ok(py.detach(|| context.sleep(duration)))
    }

    /// Writes a line to the watcher's context log, and to ``logging`` ("hersh", INFO).
    fn log(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let context = self.core()?;
        py.detach(|| context.log(text));
        errors::tell(py, "info", &format!("{}: {text}", context.watcher_id()))
    }

    /// An environment value of the watcher, set when it was made.
    #[pyo3(signature = (key, default=None))]
    fn get_env(&self, key: &str, default: Option<String>) -> Option<String> {
        self.context.get_env(key).map(str::to_owned).or(default)
    }

    /// Watches what ``poll()`` returns, or ``poll(previous)`` if it has a parameter.
    #[pyo3(signature = (name, poll, *, every))]
    fn watch_call(
        &self,
        py: Python<'_>,
        name: &str,
        poll: Py<PyAny>,
        every: &Bound<'_, PyAny>,
    ) -> PyResult<Watched> {
        let every = config::seconds(every, "every")?;
        let context = self.core()?;
        let mut poll = Poll::new(name, poll, &self.shared);
        let watched = py.detach(|| {
            context.watch_call_update(name, every, move || {
                let next = poll.next()?;
                Ok::<_, String>(move |_: Option<&Object>| Ok(next))
            })
        });
        watched.map(|watched| Watched::new(py, &watched)).map_err(|error| errors::watch(&error))
    }

    /// Watches a ``Channel``, a ``queue.Queue`` (anything with ``get(timeout=)``) or an iterable.
    #[pyo3(signature = (name, source, *, latest=false))]
    fn watch_flow(
        &self,
        py: Python<'_>,
        name: &str,
        source: &Bound<'_, PyAny>,
        latest: bool,
    ) -> PyResult<Watched> {
        let context = self.core()?;
        let receiver = Flows::receiver(&self.shared, context, name, source, latest)?;
        let watched = py.detach(|| {
            if latest {
                context.watch_flow_latest(name, &receiver)
            } else {
                context.watch_flow(name, &receiver)
            }
        });
        watched.map(|watched| Watched::new(py, &watched)).map_err(|error| errors::watch(&error))
    }

    /// Watches a timer: an execution follows each tick, the first after one period.
    #[pyo3(signature = (name, every))]
    fn watch_tick(
        &self,
        py: Python<'_>,
        name: &str,
        every: &Bound<'_, PyAny>,
    ) -> PyResult<Watched> {
        let every: Duration = config::seconds(every, "every")?;
        let context = self.core()?;
        let watched = py.detach(|| context.watch_tick(name, every));
        watched.map_err(|error| errors::watch(&error)).and_then(|seen| Watched::of_tick(py, &seen))
    }

    /// Watches a variable no longer; whether it was watched.
    fn unwatch(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let context = self.core()?;
        Ok(py.detach(|| {
            self.shared.flows.forget(name);
            context.unwatch(name)
        }))
    }

    /// A value computed once per session, also when two threads ask at once.
    fn memo(&self, py: Python<'_>, name: &str, compute: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let compute = compute.clone().unbind();
        let context = self.core()?;
        // Another thread may clear the memo before it is read here; then it is computed anew.
        loop {
            let kept = py.detach(|| {
                context.try_memo::<Memo, PyErr>(name, || {
                    let object = Python::attach(|py| compute.call0(py))?;
                    Ok(self.shared.keep_memo(object))
                })
            });
            if let Some(object) = kept.map_err(errors::memo)?.get(py) {
                return Ok(object);
            }
        }
    }

    /// Forgets a memo; whether there was one.
    fn clear_memo(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let context = self.core()?;
        Ok(py.detach(|| context.clear_memo(name)))
    }

    /// A context value; ``default`` if it was never set in this session.
    #[pyo3(signature = (key, default=None))]
    fn get_value(
        &self,
        py: Python<'_>,
        key: &str,
        default: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let context = self.core()?;
        let value = py.detach(|| context.get_value::<Object>(key)).map_err(errors::value)?;
        Ok(value.map(|value| value.get(py)).or(default))
    }

    /// Sets a context value, to any object.
    fn set_value(&self, py: Python<'_>, key: &str, value: Py<PyAny>) -> PyResult<()> {
        let context = self.core()?;
        let value = Object::new(value);
        py.detach(|| context.set_value(key, value));
        Ok(())
    }

    /// Replaces a value by what ``update`` makes of a deep copy of it (``None`` if unset).
    fn update_value(
        &self,
        py: Python<'_>,
        key: &str,
        update: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let update = update.clone().unbind();
        let context = self.core()?;
        let next = |old: Option<Object>| {
            let next = Python::attach(|py| -> PyResult<Object> {
                let copy = old.map(|old| copied(py, &old)).transpose()?;
                Ok(Object::new(update.call1(py, (copy,))?))
            });
            next.map_err(Into::into)
        };
        let updated = py.detach(|| context.update_value(key, next)).map_err(errors::value)?;
        Ok(updated.get(py))
    }

    fn __repr__(&self) -> String {
        let (id, execution) = (self.context.watcher_id(), self.context.execution());
        format!("<Context of {id}, execution {execution}>")
    }
}

fn copied<'py>(py: Python<'py>, object: &Object) -> PyResult<Bound<'py, PyAny>> {
    py.import("copy")?.call_method1("deepcopy", (object.get(py),))
}
