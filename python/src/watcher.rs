//! The watcher.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::{LogKind, SendError, StopError, StopOptions};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyString, PyTuple, PyType};

use crate::callbacks::{clean_up, execute, take_interrupt};
use crate::config;
use crate::errors::{self, ApiError, ConfigError, StateError, StopTimeout};
use crate::interpreter;
use crate::json;
use crate::os_signals::Signals;
use crate::seen::{LogEntry, StopReport, state, unix};
use crate::shared::{Mode, Shared, lock};
use crate::simulation::World;
use crate::token::CancelToken;
use crate::value::{Object, to_python};
use crate::waiting::{is_main_thread, wait};

/// One managed function, run again whenever something asks for it; never twice at once.
#[pyclass(frozen, module = "hersh", weakref)]
pub(crate) struct Watcher {
    /// Empty once Python's garbage collector has cleared it.
    handle: Mutex<Option<hersh::Watcher>>,
    shared: Arc<Shared>,
    world: Option<Arc<World>>,
}

impl Watcher {
    /// A watcher that lives by threads, or in a simulation.
    pub(crate) fn build(
        py: Python<'_>,
        world: Option<&Arc<World>>,
        config: Option<&Bound<'_, PyAny>>,
        env: Option<HashMap<String, String>>,
        name: Option<String>,
        parent: Option<&Bound<'_, CancelToken>>,
    ) -> PyResult<Self> {
        let mut builder = world.map_or_else(hersh::Watcher::builder, |world| world.builder());
        builder = builder.config(config::read(config)?).envs(env.unwrap_or_default());
        if let Some(name) = name {
            builder = builder.name(name);
        }
        if let Some(parent) = parent {
            builder = builder.parent(parent.get().token()?);
        }
        let built = py.detach(|| builder.build());
        let watcher = built.map_err(|error| ConfigError::new_err(error.to_string()))?;
        let mode = match world {
            Some(_) => Mode::Simulated,
            None if hersh::Replay::from_env().is_some() => Mode::Replayed,
            None => Mode::Live,
        };
        let shared = Arc::new(Shared::new(mode));
        // It has just been made and so is not set yet.
        let _ = shared.watcher.set(watcher.downgrade());
        if let Some(world) = world {
            world.join(&shared);
        }
        py.detach(|| interpreter::remember(watcher.downgrade()));
        Ok(Self { handle: Mutex::new(Some(watcher)), shared, world: world.cloned() })
    }

    /// The core's watcher, in the process in which it lives.
    pub(crate) fn core(&self) -> PyResult<hersh::Watcher> {
        self.shared.survived()?;
        lock(&self.handle).clone().ok_or_else(|| StateError::new_err("the watcher is gone"))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The simulation that it lives in.
    pub(crate) fn world(&self) -> Option<&Arc<World>> {
        self.world.as_ref()
    }

    /// Refuses what would wait for itself.
    fn outside(&self, call: &str, instead: &str) -> PyResult<()> {
        if self.shared.is_inside() {
            let words = format!(
                "{call} waits for the managed function and so cannot be called from inside it: \
                 {instead}"
            );
            return Err(StateError::new_err(words));
        }
        Ok(())
    }

    fn manage_as(&self, py: Python<'_>, name: &str, function: &Bound<'_, PyAny>) -> PyResult<()> {
        let core = self.core()?;
        let shared = Arc::downgrade(&self.shared);
        let managed = move |message: Option<&_>, context: &_| execute(&shared, message, context);
        py.detach(|| core.manage(name, managed).map(drop)).map_err(|e| errors::start(&e))?;
        set(py, &self.shared.managed, function)
    }

    /// Repeats `step`, which waits at most for the time it is given, until it answers or `limit`
    /// has passed: by the clock of the machine, or by the virtual one.
    fn wait_with<T: Send>(
        &self,
        py: Python<'_>,
        limit: Option<Duration>,
        mut step: impl FnMut(Option<Duration>) -> Option<T> + Send,
    ) -> PyResult<Option<T>> {
        match &self.world {
            Some(world) => world.drive(py, || step(limit)),
            None => wait(py, limit, step),
        }
    }

    /// Waits for the end of the session; `None` when the time was over first.
    fn wait_for_end(
        &self,
        py: Python<'_>,
        limit: Option<Duration>,
    ) -> PyResult<Option<hersh::StopReport>> {
        let core = self.core()?;
        let ended = self.wait_with(py, limit, |go| match core.wait(go) {
            Some(report) => Some(Some(report)),
            // There is no session whose end could come.
            None => (!core.is_running()).then(|| core.wait(Some(Duration::ZERO))),
        })?;
        Ok(ended.flatten())
    }
}

/// Puts a function in its place.
fn set(
    py: Python<'_>,
    slot: &Mutex<Option<Py<PyAny>>>,
    function: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if !function.is_callable() {
        return Err(PyTypeError::new_err(format!("{} cannot be called", json::repr(function))));
    }
    let function = function.clone().unbind();
    // Detached, so that whatever the old function's end sets off comes after the lock.
    py.detach(|| drop(lock(slot).replace(function)));
    Ok(())
}

#[pymethods]
impl Watcher {
    #[new]
    #[pyo3(signature = (config=None, *, env=None, name=None, parent=None))]
    fn new(
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        env: Option<HashMap<String, String>>,
        name: Option<String>,
        parent: Option<&Bound<'_, CancelToken>>,
    ) -> PyResult<Self> {
        Self::build(py, None, config, env, name, parent)
    }

    /// Sets the function to run: ``@watcher.manage``, or ``@watcher.manage("what it does")``.
    #[pyo3(signature = (function, /))]
    fn manage<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Ok(name) = function.cast::<PyString>() else {
            let name = function.getattr_opt("__name__")?.map(|name| name.to_string());
            slf.get().manage_as(py, name.as_deref().unwrap_or("managed"), function)?;
            return Ok(function.clone());
        };
        let (name, watcher) = (name.to_string(), slf.clone().unbind());
        let decorate = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let function = arguments.get_item(0)?;
            watcher.get().manage_as(arguments.py(), &name, &function)?;
            PyResult::Ok(function.unbind())
        };
        Ok(PyCFunction::new_closure(py, Some(c"manage"), None, decorate)?.into_any())
    }

    /// Sets the function that runs when a session ends in good order or by its last crash.
    #[pyo3(signature = (function, /))]
    fn cleanup<'py>(
        &self,
        py: Python<'py>,
        function: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let core = self.core()?;
        let shared = Arc::downgrade(&self.shared);
        let cleanup = move |context: &hersh::Context| clean_up(&shared, context);
        py.detach(|| core.cleanup(cleanup).map(drop)).map_err(|e| errors::start(&e))?;
        set(py, &self.shared.cleanup, &function)?;
        Ok(function)
    }

    /// Begins a session, and does not wait for its first execution.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.core()?;
        let started = py.detach(|| {
            if !core.is_running() {
                // What the last session's pumps carried belongs to it.
                self.shared.flows.renew();
            }
            core.start()
        });
        if self.shared.mode == Mode::Replayed {
            // The function has run, on this thread.
            take_interrupt()?;
        }
        started.map_err(|error| errors::start(&error))
    }

    /// Stops in good order and waits; with ``drain`` the messages that wait are served first.
    #[pyo3(signature = (timeout=None, drain=false))]
    fn stop(
        &self,
        py: Python<'_>,
        timeout: Option<&Bound<'_, PyAny>>,
        drain: bool,
    ) -> PyResult<StopReport> {
        let core = self.core()?;
        self.outside("stop()", "raise StopError instead")?;
        let options = StopOptions { timeout: config::timeout(timeout)?, drain };
        py.detach(|| core.request_stop_with("stop() was called", options));
        self.wait_for_end(py, None)?;
        // It has ended, so this does not wait; it knows whether that was in good order.
        match py.detach(|| core.stop_with(options)) {
            Ok(report) => StopReport::new(py, &report),
            Err(StopError::TimedOut { timeout, report }) => {
                let words = StopError::TimedOut { timeout, report: report.clone() }.to_string();
                let error = StopTimeout::new_err(words);
                error.value(py).setattr("report", Py::new(py, StopReport::new(py, &report)?)?)?;
                Err(error)
            }
            Err(error) => Err(StateError::new_err(error.to_string())),
        }
    }

    /// Ends the watcher at once, without cleanup. Never waits.
    fn kill(&self, py: Python<'_>) -> PyResult<()> {
        let core = self.core()?;
        py.detach(|| core.kill());
        Ok(())
    }

    /// Sends a message; an execution will serve it. May be called from inside the function too.
    #[pyo3(signature = (content, timeout=None))]
    fn send_message(
        &self,
        py: Python<'_>,
        content: &str,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let core = self.core()?;
        let Some(limit) = config::timeout(timeout)? else {
            // The one call that does not let go of the interpreter: it waits for nothing, and
            // letting go costs more than sending.
            return core.send_message(content).map_err(|error| errors::send(&error));
        };
        let inside = self.shared.is_inside();
        let sent = self.wait_with(py, Some(limit), |go| {
            match core.send_message_timeout(content, go.unwrap_or(limit)) {
                // From inside it was not waited, and waiting would be in vain.
                Err(SendError::QueueFull { .. }) if !inside => None,
                answer => Some(answer),
            }
        })?;
        let answer = sent.unwrap_or_else(|| core.send_message(content));
        answer.map_err(|error| errors::send(&error))
    }

    /// Waits for the end of the session, or for the state ``until``; whether it came.
    #[pyo3(signature = (timeout=None, until=None))]
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<&Bound<'_, PyAny>>,
        until: Option<&str>,
    ) -> PyResult<bool> {
        let core = self.core()?;
        self.outside("wait()", "return, and let it run on")?;
        let limit = config::timeout(timeout)?;
        let Some(until) = until else {
            return Ok(self.wait_for_end(py, limit)?.is_some());
        };
        let wanted = hersh::State::ALL.into_iter().find(|state| state.as_str() == until);
        let wanted =
            wanted.ok_or_else(|| PyValueError::new_err(format!("{until:?} is no State")))?;
        let came = self.wait_with(py, limit, |go| {
            let came = core.wait_for(wanted, go);
            (came || !core.is_running()).then_some(came)
        })?;
        Ok(came.unwrap_or(false))
    }

    /// Starts, and waits for the end.
    fn run(slf: &Bound<'_, Self>) -> PyResult<StopReport> {
        let (py, this) = (slf.py(), slf.get());
        this.outside("run()", "it runs already")?;
        let lives = this.shared.mode == Mode::Live;
        let signals = (lives && is_main_thread(py)?).then(|| Signals::catch(slf)).transpose()?;
        this.start(py)?;
        let ended = this.wait_for_end(py, None);
        drop(signals);
        match ended? {
            Some(report) => StopReport::new(py, &report),
            None => Err(StateError::new_err("the session ended and another one began")),
        }
    }

    /// Serves the WatcherAPI and returns its URL; port 0 picks a free one.
    #[pyo3(signature = (port=0, host="127.0.0.1"))]
    fn start_api_server(&self, py: Python<'_>, port: u16, host: &str) -> PyResult<String> {
        let core = self.core()?;
        let served = py.detach(|| core.start_api_server((host, port)));
        let address = served.map_err(|error| ApiError::new_err(error.to_string()))?;
        Ok(format!("http://{address}"))
    }

    /// Where the WatcherAPI is served, like ``http://127.0.0.1:8080``.
    #[getter]
    fn api_url(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let core = self.core()?;
        Ok(py.detach(|| core.api_address()).map(|address| format!("http://{address}")))
    }

    /// The state. Takes no lock.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        state(py, self.core()?.state())
    }

    /// Unique to this watcher.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(self.core()?.id().to_owned())
    }

    /// As given; ``watcher`` otherwise.
    #[getter]
    fn name(&self) -> PyResult<String> {
        Ok(self.core()?.name().to_owned())
    }

    /// Whether a session is under way.
    #[getter]
    fn is_running(&self) -> PyResult<bool> {
        Ok(self.core()?.is_running())
    }

    /// The context values of the session.
    #[getter]
    fn values(&self, py: Python<'_>) -> PyResult<BTreeMap<String, Py<PyAny>>> {
        let core = self.core()?;
        let values = py.detach(|| core.values());
        values.into_iter().map(|(key, value)| Ok((key, to_python(py, &value)?))).collect()
    }

    /// State, times and counters of the session.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = self.core()?;
        let stats = py.detach(|| core.stats());
        let (counters, shown) = (&stats.counters, PyDict::new(py));
        shown.set_item("state", stats.state.as_str())?;
        shown.set_item("started", stats.started.map(unix))?;
        shown.set_item("uptime", stats.uptime.as_secs_f64())?;
        for (name, count) in [
            ("executions", counters.executions),
            ("errors", counters.errors),
            ("crashes", counters.crashes),
            ("retries", counters.retries),
            ("timeouts", counters.timeouts),
            ("skipped_ticks", counters.skipped_ticks),
            ("watch_errors", counters.watch_errors),
            ("state_faults", counters.state_faults),
        ] {
            shown.set_item(name, count)?;
        }
        shown.set_item("last_error", counters.last_error.as_deref())?;
        shown.set_item("queued_messages", stats.queue.user)?;
        shown.set_item("pending_variables", stats.queue.var)?;
        Ok(shown)
    }

    /// The newest ``limit`` entries of a log, oldest first. ``ValueError`` for no such log.
    #[pyo3(signature = (r#type="all", limit=100))]
    fn logs(&self, py: Python<'_>, r#type: &str, limit: usize) -> PyResult<Vec<LogEntry>> {
        let core = self.core()?;
        let kinds = if r#type == "all" {
            LogKind::ALL.to_vec()
        } else {
            let kind = r#type.parse::<LogKind>();
            vec![kind.map_err(|error| PyValueError::new_err(error.to_string()))?]
        };
        let mut entries: Vec<_> =
            py.detach(|| kinds.into_iter().flat_map(|kind| core.logs(kind, limit)).collect());
        entries.sort_by_key(|entry: &hersh::LogEntry| entry.at);
        let older = entries.len().saturating_sub(limit);
        Ok(entries.into_iter().skip(older).map(LogEntry::from).collect())
    }

    /// Starts.
    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        slf.get().start(slf.py())?;
        Ok(slf.clone())
    }

    /// Stops, finishing what is under way but not serving what waits.
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyType>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.stop(py, None, false)?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        self.core().map_or_else(
            |_| "<Watcher>".to_owned(),
            |watcher| format!("<Watcher {}, {}>", watcher.id(), watcher.state()),
        )
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        let mut show = |object: &Py<PyAny>| {
            if result.is_ok() {
                result = visit.call(object);
            }
        };
        self.shared.traverse(&mut show);
        if let Ok(handle) = self.handle.try_lock()
            && let Some(core) = &*handle
            && self.shared.is_of_this_process()
        {
            // No Python code runs under the locks of the core, so they are free in a moment.
            let kept = core.kept_values();
            let references =
                kept.iter().filter_map(hersh::Value::get::<Object>).map(Object::reference);
            // However often one is kept, it counts as one.
            let mut shown = HashSet::new();
            references.filter(|one| shown.insert(std::ptr::from_ref(*one))).for_each(&mut show);
        }
        result
    }

    fn __clear__(&self) {
        self.shared.clear();
        self.let_go();
    }
}

impl Watcher {
    /// The last handle kills the watcher, which takes locks; after a fork these may be held by
    /// threads that do not exist, and so the core's part is left alone.
    fn let_go(&self) {
        let watcher = lock(&self.handle).take();
        if self.shared.is_of_this_process() {
            Python::attach(|py| py.detach(|| drop(watcher)));
        } else {
            std::mem::forget(watcher);
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.let_go();
    }
}
