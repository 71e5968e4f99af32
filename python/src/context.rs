//! What a managed function is given.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::callbacks::Poll;
use crate::channel::Channel;
use crate::config;
use crate::errors;
use crate::pump::Pump;
use crate::seen::{Message, Watched, unix};
use crate::shared::{Shared, lock};
use crate::value::Object;

/// One execution, seen from inside.
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

    /// Where the values of a flow come from: the channel itself, or a pump that is started when
    /// its name is first used.
    fn receiver(
        &self,
        py: Python<'_>,
        name: &str,
        source: &Bound<'_, PyAny>,
    ) -> PyResult<Receiver<Object>> {
        if let Ok(channel) = source.cast::<Channel>() {
            return channel.get().receiver().cloned();
        }
        if let Some(pump) = lock(&self.shared.pumps).get(name) {
            return Ok(pump.receiver());
        }
        let pump = Pump::start(source, &self.context, &self.shared)?;
        let receiver = pump.receiver();
        py.detach(|| lock(&self.shared.pumps).insert(name.to_owned(), pump));
        Ok(receiver)
    }
}

#[pymethods]
impl Context {
    #[getter]
    fn message(&self) -> Option<Message> {
        self.context.message().map(Message::from)
    }

    /// `"Init"`, `"Message"` or `"Cleanup"`; or the names of the variables that changed.
    #[getter]
    fn trigger<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.context.trigger() {
            trigger @ hersh::Trigger::Vars(_) => Ok(PyList::new(py, trigger.vars())?.into_any()),
            trigger => Ok(trigger.as_str().into_pyobject(py)?.into_any()),
        }
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    #[getter]
    fn execution(&self) -> u64 {
        self.context.execution()
    }

    #[getter]
    fn watcher_id(&self) -> &str {
        self.context.watcher_id()
    }

    #[getter]
    fn deadline(&self) -> f64 {
        unix(self.context.deadline())
    }

    #[getter]
    fn cancelled(&self) -> bool {
        self.context.cancelled()
    }

    fn now(&self) -> f64 {
        unix(self.context.now())
    }

    fn sleep(&self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<bool> {
        let duration = config::seconds(seconds, "seconds")?;
        let context = self.core()?;
        Ok(py.detach(|| context.sleep(duration)))
    }

    fn log(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        let context = self.core()?;
        py.detach(|| context.log(text));
        Ok(())
    }

    #[pyo3(signature = (key, default=None))]
    fn get_env(&self, key: &str, default: Option<String>) -> Option<String> {
        self.context.get_env(key).map(str::to_owned).or(default)
    }

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
        let mut poll = Poll::new(name, poll);
        let watched = py.detach(|| context.watch_call(name, every, move || poll.next()));
        watched.map(|watched| Watched::new(&watched)).map_err(|error| errors::watch(&error))
    }

    #[pyo3(signature = (name, source, *, latest=false))]
    fn watch_flow(
        &self,
        py: Python<'_>,
        name: &str,
        source: &Bound<'_, PyAny>,
        latest: bool,
    ) -> PyResult<Watched> {
        let context = self.core()?;
        let receiver = self.receiver(py, name, source)?;
        let watched = py.detach(|| {
            if latest {
                context.watch_flow_latest(name, &receiver)
            } else {
                context.watch_flow(name, &receiver)
            }
        });
        watched.map(|watched| Watched::new(&watched)).map_err(|error| errors::watch(&error))
    }

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

    fn unwatch(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let context = self.core()?;
        Ok(py.detach(|| {
            drop(lock(&self.shared.pumps).remove(name));
            context.unwatch(name)
        }))
    }

    fn memo(&self, py: Python<'_>, name: &str, compute: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let compute = compute.clone().unbind();
        let context = self.core()?;
        let kept = py.detach(|| {
            context.try_memo(name, || Python::attach(|py| compute.call0(py)).map(Object::new))
        });
        kept.map(|object| object.get(py)).map_err(errors::memo)
    }

    fn clear_memo(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let context = self.core()?;
        Ok(py.detach(|| context.clear_memo(name)))
    }

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

    fn set_value(&self, py: Python<'_>, key: &str, value: Py<PyAny>) -> PyResult<()> {
        let context = self.core()?;
        let value = Object::new(value);
        py.detach(|| context.set_value(key, value));
        Ok(())
    }

    /// The function gets a deep copy, so that what it does to it is undone when it raises.
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
