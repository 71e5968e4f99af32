//! Watchers under a virtual clock.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::callbacks::take_interrupt;
use crate::config;
use crate::errors::{ChannelClosed, StateError};
use crate::interpreter::{enter, generation, survived};
use crate::scripts::Scripted;
use crate::seen::{state, unix};
use crate::shared::{Shared, lock};
use crate::token::CancelToken;
use crate::value::Object;
use crate::watcher::Watcher;

/// A virtual clock and the watchers that live by it.
#[pyclass(frozen, module = "hersh.testing")]
pub(crate) struct Simulation {
    world: Arc<World>,
    made: u32,
}

/// What a simulation and its watchers share.
pub(crate) struct World {
    sim: hersh::sim::Simulation,
    members: Mutex<Vec<Weak<Shared>>>,
    driven: AtomicBool,
}

/// Driving the world, until dropped.
struct Drive<'a>(&'a World);

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}

impl World {
    pub(crate) fn builder(&self) -> hersh::Builder {
        self.sim.builder()
    }

    pub(crate) fn join(&self, shared: &Arc<Shared>) {
        let mut members = lock(&self.members);
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(shared));
    }

    /// Runs what may move the clock, with the interpreter let go of. From inside what the simulation
    /// runs already, it is only looked at what is.
    pub(crate) fn drive<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce() -> T + Send,
    ) -> PyResult<T> {
        if self.driven.swap(true, Ordering::AcqRel) {
            return Ok(py.detach(run));
        }
        let _drive = Drive(self);
        let ran = py.detach(|| {
            catch_unwind(AssertUnwindSafe(|| {
                self.fill();
                let answer = run();
                while self.fill() {
                    self.sim.run_until_idle();
                }
                answer
            }))
        });
        take_interrupt()?;
        ran.map_err(|words| {
            let words = words.downcast_ref::<String>().map_or("the simulation failed", |w| w);
            StateError::new_err(words.to_owned())
        })
    }

    /// Has sources that are no channels of the core bring what they have; whether it was anything.
    fn fill(&self) -> bool {
        let members: Vec<_> = lock(&self.members).iter().filter_map(Weak::upgrade).collect();
        let filled = members.iter().filter(|shared| {
            shared.is_running() && enter(|py| shared.flows.fill(py)).unwrap_or(false)
        });
        filled.count() > 0
    }
}

impl Simulation {
    fn world(&self) -> PyResult<&Arc<World>> {
        survived(self.made, "Simulation")?;
        Ok(&self.world)
    }

    fn shared<'a>(&self, watcher: &'a Bound<'_, Watcher>) -> PyResult<&'a Arc<Shared>> {
        let watcher = watcher.get();
        if watcher.world().is_some_and(|world| Arc::ptr_eq(world, &self.world)) {
            return Ok(watcher.shared());
        }
        Err(PyValueError::new_err("the watcher is not of this simulation"))
    }

    fn run(&self, py: Python<'_>, duration: Duration) -> PyResult<()> {
        let world = self.world()?;
        if world.driven.load(Ordering::Acquire) {
            return Err(StateError::new_err(
                "a simulation cannot be run from inside what it runs, or by two threads at once",
            ));
        }
        world.drive(py, || world.sim.advance(duration))
    }
}

#[pymethods]
impl Simulation {
    #[new]
    #[pyo3(signature = (seed=0))]
    fn new(seed: u64) -> Self {
        let sim = hersh::sim::Simulation::new(seed);
        let world = World { sim, members: Mutex::default(), driven: AtomicBool::new(false) };
        Self { world: Arc::new(world), made: generation() }
    }

    /// Makes a watcher that lives in this simulation. Arguments and errors as ``Watcher``.
    #[pyo3(signature = (config=None, *, env=None, name=None, parent=None))]
    fn watcher(
        &self,
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        env: Option<HashMap<String, String>>,
        name: Option<String>,
        parent: Option<&Bound<'_, CancelToken>>,
    ) -> PyResult<Watcher> {
        Watcher::build(py, Some(self.world()?), config, env, name, parent)
    }

    /// Moves the clock, doing everything that falls due on the way.
    fn advance(&self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.run(py, config::seconds(seconds, "seconds")?)
    }

    /// Does everything that can be done without the clock moving. Raises as ``advance``.
    fn run_until_idle(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, Duration::ZERO)
    }

    /// The virtual time; it begins at 2025-01-01 00:00 UTC.
    fn now(&self) -> PyResult<f64> {
        Ok(unix(self.world()?.sim.now()))
    }

    /// As ``watcher.send_message(content)``: it is served when the simulation is run.
    fn send(&self, watcher: &Bound<'_, Watcher>, content: &str) -> PyResult<()> {
        self.shared(watcher)?;
        let sent = watcher.get().core()?.send_message(content);
        sent.map_err(|error| crate::errors::send(&error))
    }

    /// Lets the next poll of a variable bring this value, without calling it.
    fn inject_poll(
        &self,
        watcher: &Bound<'_, Watcher>,
        name: &str,
        value: Py<PyAny>,
    ) -> PyResult<()> {
        self.shared(watcher)?.scripts.push(name, [Scripted::Value(value)]);
        Ok(())
    }

    /// Lets the next ``times`` polls of a variable fail with these words, without calling it.
    #[pyo3(signature = (watcher, name, times=1, error="the poll failed"))]
    fn fail_polls(
        &self,
        watcher: &Bound<'_, Watcher>,
        name: &str,
        times: u32,
        error: &str,
    ) -> PyResult<()> {
        let failures = (0..times).map(|_| Scripted::Failure(error.to_owned()));
        self.shared(watcher)?.scripts.push(name, failures);
        Ok(())
    }

    /// Lets every poll of a variable take so long from now on.
    fn delay_polls(
        &self,
        py: Python<'_>,
        watcher: &Bound<'_, Watcher>,
        name: &str,
        delay: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.shared(watcher)?;
        let (delay, world) = (config::seconds(delay, "delay")?, self.world()?);
        let core = watcher.get().core()?;
        py.detach(|| world.sim.delay_polls(&core, name, delay));
        Ok(())
    }

    /// Lets a flow bring this value, after those that wait already.
    fn inject_flow(
        &self,
        watcher: &Bound<'_, Watcher>,
        name: &str,
        value: Py<PyAny>,
    ) -> PyResult<()> {
        if self.shared(watcher)?.flows.inject(name, Object::new(value)) {
            return Ok(());
        }
        Err(ChannelClosed::new_err(format!("the source of {name:?} has ended")))
    }

    /// Every change of state so far.
    #[getter]
    fn trace(&self, py: Python<'_>) -> PyResult<Trace> {
        let world = self.world()?;
        Ok(Trace(py.detach(|| world.sim.trace())))
    }

    fn __repr__(&self) -> String {
        format!("<Simulation at {}>", unix(self.world.sim.now()))
    }
}

/// The changes of state in a simulation, in order. Runs that did the same have equal traces.
#[pyclass(frozen, module = "hersh.testing")]
pub(crate) struct Trace(hersh::sim::Trace);

#[pymethods]
impl Trace {
    /// The first million changes.
    #[getter]
    fn entries(&self) -> Vec<TraceEntry> {
        self.0.entries().iter().map(TraceEntry::from).collect()
    }

    /// A number (FNV-1a) made of the text of all changes.
    #[getter]
    fn digest(&self) -> u64 {
        self.0.digest()
    }

    /// The number of all changes.
    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __repr__(&self) -> String {
        format!("<Trace of {} changes, {:016x}>", self.0.len(), self.0.digest())
    }
}

/// One change of state of one watcher.
#[pyclass(frozen, module = "hersh.testing")]
pub(crate) struct TraceEntry {
    /// When, in seconds since the simulation began.
    #[pyo3(get)]
    at: f64,
    /// The id of the watcher: ``sim-1``, ``sim-2``, …
    #[pyo3(get)]
    watcher: String,
    before: hersh::State,
    after: hersh::State,
    /// Why, like ``message 1``.
    #[pyo3(get)]
    cause: String,
}

impl From<&hersh::sim::TraceEntry> for TraceEntry {
    fn from(entry: &hersh::sim::TraceEntry) -> Self {
        let transition = &entry.transition;
        Self {
            at: entry.at.since_origin().as_secs_f64(),
            watcher: entry.watcher.to_string(),
            before: transition.from,
            after: transition.to,
            cause: transition.cause.to_string(),
        }
    }
}

#[pymethods]
impl TraceEntry {
    /// The state before.
    #[getter]
    fn before<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        state(py, self.before)
    }

    /// The state after.
    #[getter]
    fn after<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        state(py, self.after)
    }

    fn __repr__(&self) -> String {
        let Self { at, watcher, before, after, cause } = self;
        format!("TraceEntry(at={at}, {watcher}: {before} -> {after}, {cause:?})")
    }
}
