//! The handle: what a program does with its tickets.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use hersh::kharon::store::{Added, Addition, Cursor, IfExists, Page, StoreStats};
use hersh::kharon::{NewGroup, Options, Target, UpdateError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::asking;
use super::claims::options;
use super::clock::VirtualClock;
use super::group::Group;
use super::reading::{invalid, label, ticket_id};
use super::ticket::Ticket;
use super::{errors, router, settings, stores};
use crate::config;
use crate::errors::ConfigError;
use crate::interpreter::{self, Mortal, generation, survived};
use crate::waiting::wait;

/// How long the end of the interpreter lets handlers finish.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// How soon `run` notices that it was stopped.
const GLANCE: Duration = Duration::from_millis(20);

/// A queue of tickets, and the workers that run them.
#[pyclass(frozen, module = "hersh.kharon", weakref)]
pub(crate) struct Kharon {
    kharon: Arc<hersh::kharon::Kharon>,
    made: u32,
}

/// A Kharon that the end of the interpreter stops, so that nobody enters it afterwards.
struct Working(Weak<hersh::kharon::Kharon>);

impl Mortal for Working {
    fn kill(&self) {
        if let Some(kharon) = self.0.upgrade() {
            kharon.stop(LAST_GRACE);
        }
    }

    fn join(&self, _: Duration) {}

    fn is_alive(&self) -> bool {
        self.0.upgrade().is_some_and(|kharon| !kharon.is_stopping())
    }
}

/// What stopping came to.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct KharonReport {
    /// Tickets that were claimed but not begun, and were given back.
    #[pyo3(get)]
    given_back: usize,
    /// Workers whose handlers had not returned when the grace was over.
    #[pyo3(get)]
    still_running: usize,
    /// Results that the store has not taken: their tickets will be run again.
    #[pyo3(get)]
    unsaved: usize,
}

#[pymethods]
impl KharonReport {
    fn __repr__(&self) -> String {
        let Self { given_back, still_running, unsaved } = self;
        format!(
            "KharonReport(given_back={given_back}, still_running={still_running}, unsaved={unsaved})"
        )
    }
}

/// Which ticket: by its id, or by a claim of it.
fn target(given: &Bound<'_, PyAny>) -> PyResult<Target> {
    if let Ok(ticket) = given.cast::<Ticket>() {
        return Ok(Target::from(&ticket.get().to_kept()?));
    }
    Ok(Target::from(ticket_id(&given.extract::<String>()?)?))
}

fn if_exists(word: &str) -> PyResult<IfExists> {
    match word {
        "refuse" => Ok(IfExists::Refuse),
        "replace" => Ok(IfExists::Replace),
        "keep" => Ok(IfExists::Keep),
        other => {
            let words = format!("if_exists is \"refuse\", \"replace\" or \"keep\", not {other:?}");
            Err(PyValueError::new_err(words))
        }
    }
}

impl Kharon {
    fn core(&self) -> PyResult<&hersh::kharon::Kharon> {
        survived(self.made, "Kharon")?;
        Ok(&self.kharon)
    }

    fn add_one(&self, py: Python<'_>, ticket: &Ticket, if_exists: IfExists) -> PyResult<Added> {
        let (kharon, ticket) = (self.core()?, ticket.to_new()?);
        let added = py.detach(|| match if_exists {
            IfExists::Refuse => kharon.add(ticket).map(|()| Added::New),
            IfExists::Replace => kharon.add_or_replace(ticket),
            IfExists::Keep => kharon.add_if_absent(ticket),
        });
        added.map_err(|error| errors::add(py, &error))
    }

    fn settle(
        &self,
        given: &Bound<'_, PyAny>,
        options: Options,
        settle: fn(&hersh::kharon::Kharon, Target, Options) -> Result<(), UpdateError>,
    ) -> PyResult<()> {
        let (py, kharon, target) = (given.py(), self.core()?, target(given)?);
        py.detach(|| settle(kharon, target, options)).map_err(|error| errors::update(py, &error))
    }

    fn begin(&self, py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<()> {
        let (kharon, router) = (self.core()?, router::read(given)?);
        py.detach(|| {
            kharon.start(router)?;
            interpreter::remember(Working(Arc::downgrade(&self.kharon)));
            Ok(())
        })
        .map_err(|error| errors::run(&error))
    }
}

#[pymethods]
impl Kharon {
    #[new]
    #[pyo3(signature = (store, settings=None, *, clock=None))]
    fn new(
        py: Python<'_>,
        store: &Bound<'_, PyAny>,
        settings: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, VirtualClock>>,
    ) -> PyResult<Self> {
        let (store, settings) = (stores::store(store)?, settings::read(settings)?);
        let clock = clock.map(|clock| Arc::clone(&clock.get().0));
        let kharon = py.detach(|| match clock {
            None => hersh::kharon::Kharon::new(store, settings),
            Some(clock) => hersh::kharon::Kharon::with_clock(store, settings, clock),
        });
        let kharon = kharon.map_err(|error| ConfigError::new_err(error.to_string()))?;
        Ok(Self { kharon: Arc::new(kharon), made: generation() })
    }

    /// Adds a ticket, and says its id.
    fn add(&self, py: Python<'_>, ticket: &Bound<'_, Ticket>) -> PyResult<String> {
        self.add_one(py, ticket.get(), IfExists::Refuse)?;
        ticket.getattr("id")?.extract()
    }

    /// Adds a ticket in place of one with its id, whatever its state; whether there was one.
    fn add_or_replace(&self, py: Python<'_>, ticket: &Bound<'_, Ticket>) -> PyResult<bool> {
        Ok(self.add_one(py, ticket.get(), IfExists::Replace)? == Added::Replaced)
    }

    /// Adds a ticket unless there is one with its id or unique key: then that one's id.
    fn add_if_absent(
        &self,
        py: Python<'_>,
        ticket: &Bound<'_, Ticket>,
    ) -> PyResult<Option<String>> {
        match self.add_one(py, ticket.get(), IfExists::Keep)? {
            Added::Kept(id) => Ok(Some(id.to_string())),
            Added::New | Added::Replaced => Ok(None),
        }
    }

    /// Adds many tickets at once, each by itself: ``None``, or the exception that ``add`` raises.
    #[pyo3(signature = (tickets, *, if_exists="refuse"))]
    fn add_all(
        &self,
        py: Python<'_>,
        tickets: Vec<Bound<'_, Ticket>>,
        if_exists: &str,
    ) -> PyResult<Vec<Option<Py<PyAny>>>> {
        let (kharon, if_exists) = (self.core()?, self::if_exists(if_exists)?);
        let addition =
            |ticket: &Bound<'_, Ticket>| Ok(Addition { ticket: ticket.get().to_new()?, if_exists });
        let additions = tickets.iter().map(addition).collect::<PyResult<_>>()?;
        let added = py.detach(|| kharon.add_all(additions));
        let added = added.map_err(|error| errors::store(&error))?;
        let refused = |one: Result<Added, _>| {
            one.err().map(|error| errors::add(py, &error).into_value(py).into_any())
        };
        Ok(added.into_iter().map(refused).collect())
    }

    /// The ticket of an id, if there is one.
    fn get(&self, py: Python<'_>, id: &str) -> PyResult<Option<Ticket>> {
        let kharon = self.core()?;
        let found = py.detach(|| kharon.get(id)).map_err(|error| errors::store(&error))?;
        Ok(found.map(Ticket::kept_as))
    }

    /// Settles a ticket as done, and keeps it; one that repeats goes back to pending.
    #[pyo3(signature = (ticket, *, expire_in=None, payload=None))]
    fn done(
        &self,
        ticket: &Bound<'_, PyAny>,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, false, None, None, None, payload)?;
        self.settle(ticket, options, hersh::kharon::Kharon::done)
    }

    /// Settles a ticket as done, and removes it, unless it is to be kept.
    #[pyo3(signature = (ticket, *, keep=false, expire_in=None, payload=None))]
    fn ack(
        &self,
        ticket: &Bound<'_, PyAny>,
        keep: bool,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, keep, None, None, None, payload)?;
        self.settle(ticket, options, hersh::kharon::Kharon::ack)
    }

    /// Settles a ticket as failed, and keeps it as a dead letter.
    #[pyo3(signature = (ticket, error_reason=None, *, expire_in=None, payload=None))]
    fn fail(
        &self,
        ticket: &Bound<'_, PyAny>,
        error_reason: Option<String>,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, false, error_reason, None, None, payload)?;
        self.settle(ticket, options, hersh::kharon::Kharon::fail)
    }

    /// Cancels a ticket, and removes it, unless it is to be kept.
    #[pyo3(signature = (ticket, error_reason=None, *, keep=false, expire_in=None))]
    fn cancel(
        &self,
        ticket: &Bound<'_, PyAny>,
        error_reason: Option<String>,
        keep: bool,
        expire_in: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, keep, error_reason, None, None, None)?;
        self.settle(ticket, options, hersh::kharon::Kharon::cancel)
    }

    /// Lets a pending ticket wait, from now, for ``delay``.
    #[pyo3(signature = (ticket, delay=None, *, error_reason=None, nice=None, payload=None))]
    fn retry(
        &self,
        ticket: &Bound<'_, PyAny>,
        delay: Option<&Bound<'_, PyAny>>,
        error_reason: Option<String>,
        nice: Option<i32>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(None, false, error_reason, delay, nice, payload)?;
        self.settle(ticket, options, hersh::kharon::Kharon::retry)
    }

    /// Makes a failed or cancelled ticket pending again, with no attempts. ``NotDead``.
    #[pyo3(signature = (ticket, delay=None))]
    fn revive(&self, ticket: &Bound<'_, PyAny>, delay: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let options = options(None, false, None, delay, None, None)?;
        self.settle(ticket, options, hersh::kharon::Kharon::revive)
    }

    /// Brings back up to so many failed tickets that match, and says how many.
    #[pyo3(signature = (*, r#type=None, tube=None, group=None, at_most=1000))]
    fn revive_all(
        &self,
        py: Python<'_>,
        r#type: Option<&str>,
        tube: Option<&str>,
        group: Option<&str>,
        at_most: usize,
    ) -> PyResult<usize> {
        let (kharon, filter) = (self.core()?, asking::filter(None, r#type, tube, group)?);
        py.detach(|| kharon.revive_all(&filter, at_most)).map_err(|error| errors::store(&error))
    }

    /// Removes a ticket in whatever state.
    fn delete(&self, ticket: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(ticket, Options::new(), |kharon, target, _| kharon.delete(target))
    }

    /// A page of the tickets that match; ``after`` is the ``next`` of the page before.
    #[pyo3(signature = (*, status=None, r#type=None, tube=None, group=None, at_most=100, after=None))]
    #[expect(clippy::too_many_arguments, reason = "all are named, and most are left out")]
    fn list(
        &self,
        py: Python<'_>,
        status: Option<&str>,
        r#type: Option<&str>,
        tube: Option<&str>,
        group: Option<&str>,
        at_most: usize,
        after: Option<u64>,
    ) -> PyResult<asking::Listing> {
        let (kharon, filter) = (self.core()?, asking::filter(status, r#type, tube, group)?);
        let page = Page { at_most, after: after.map(Cursor) };
        let listing = py.detach(|| kharon.list(&filter, &page));
        listing.map(asking::Listing).map_err(|error| errors::store(&error))
    }

    /// How many tickets the store has.
    fn stats(&self, py: Python<'_>) -> PyResult<asking::StoreStats> {
        let kharon = self.core()?;
        let stats: Result<StoreStats, _> = py.detach(|| kharon.stats());
        stats.map(asking::StoreStats).map_err(|error| errors::store(&error))
    }

    /// What was counted and measured, in the text format of Prometheus.
    fn prometheus(&self, py: Python<'_>) -> PyResult<String> {
        let kharon = self.core()?;
        py.detach(|| kharon.prometheus()).map_err(|error| errors::store(&error))
    }

    /// Opens a group, to which tickets can then be added; ``finalizers`` run when it is finished.
    #[pyo3(signature = (name, *, finalizers=Vec::new(), expire_in=None))]
    fn open_group(
        &self,
        py: Python<'_>,
        name: &str,
        finalizers: Vec<Bound<'_, Ticket>>,
        expire_in: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (kharon, name) = (self.core()?, label(name)?);
        let mut group = NewGroup::new(&name).map_err(invalid)?;
        group.finalizers =
            finalizers.iter().map(|ticket| ticket.get().to_new()).collect::<PyResult<_>>()?;
        if let Some(expire_in) = expire_in {
            group.expire_in = config::seconds(expire_in, "expire_in")?;
        }
        py.detach(|| kharon.open_group(group)).map_err(|error| errors::group(py, &error))
    }

    /// Takes no more tickets into a group: it is finished when none is pending. ``GroupNotFound``.
    fn close_group(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let (kharon, name) = (self.core()?, label(name)?);
        py.detach(|| kharon.close_group(&name)).map_err(|error| errors::group(py, &error))
    }

    /// The group of a name, with how far it has come.
    fn group(&self, py: Python<'_>, name: &str) -> PyResult<Option<Group>> {
        let (kharon, name) = (self.core()?, label(name)?);
        let found = py.detach(|| kharon.group(&name)).map_err(|error| errors::store(&error))?;
        Ok(found.map(Group::from))
    }

    /// Forgets a group without pending tickets. ``GroupNotFound``, ``GroupPending``.
    fn delete_group(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let (kharon, name) = (self.core()?, label(name)?);
        py.detach(|| kharon.delete_group(&name)).map_err(|error| errors::group(py, &error))
    }

    /// Starts the workers, and returns. ``StateError`` when they run already.
    fn start(&self, py: Python<'_>, router: &Bound<'_, PyAny>) -> PyResult<()> {
        self.begin(py, router)
    }

    /// Starts the workers, and waits until ``stop`` has ended them.
    #[pyo3(signature = (router, *, grace=None))]
    fn run(
        &self,
        py: Python<'_>,
        router: &Bound<'_, PyAny>,
        grace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let kharon = self.core()?;
        let grace = self.grace(grace)?;
        self.begin(py, router)?;
        let ended = wait(py, None, |go| {
            thread::sleep(go.map_or(GLANCE, |go| go.min(GLANCE)));
            kharon.is_stopping().then_some(())
        });
        if ended.is_err() {
            py.detach(|| kharon.stop(grace));
        }
        ended.map(drop)
    }

    /// Ends the workers: each finishes its ticket, and what was only claimed is given back.
    #[pyo3(signature = (grace=None))]
    fn stop(&self, py: Python<'_>, grace: Option<&Bound<'_, PyAny>>) -> PyResult<KharonReport> {
        let (kharon, grace) = (self.core()?, self.grace(grace)?);
        let report = py.detach(|| kharon.stop(grace));
        let hersh::kharon::Report { given_back, still_running, unsaved, .. } = report;
        Ok(KharonReport { given_back, still_running, unsaved })
    }

    /// Whether it was stopped, or never started.
    #[getter]
    fn is_stopping(&self, py: Python<'_>) -> PyResult<bool> {
        let kharon = self.core()?;
        Ok(py.detach(|| kharon.is_stopping()))
    }

    /// Runs tickets one step at a time in place of workers: for tests, with a ``VirtualClock``.
    fn stepper(&self, py: Python<'_>, router: &Bound<'_, PyAny>) -> PyResult<Stepper> {
        let (kharon, router) = (self.core()?, router::read(router)?);
        let stepper = py.detach(|| kharon.stepper(router)).map_err(|error| errors::run(&error))?;
        Ok(Stepper { stepper })
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyType>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.stop(py, None)?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        format!("<Kharon, {} workers>", self.kharon.settings().workers)
    }
}

impl Kharon {
    /// As long as a claim runs, unless said otherwise.
    fn grace(&self, given: Option<&Bound<'_, PyAny>>) -> PyResult<Duration> {
        match given {
            Some(grace) => config::seconds(grace, "grace"),
            None => Ok(self.kharon.settings().process_time),
        }
    }
}

impl Drop for Kharon {
    /// Workers have handles of their own; without this one nobody could stop them.
    fn drop(&mut self) {
        if self.made == generation() {
            Python::attach(|py| py.detach(|| self.kharon.stop(Duration::ZERO)));
        } else {
            // One handle is never dropped, so what its threads held is left alone.
            std::mem::forget(Arc::clone(&self.kharon));
        }
    }
}

/// Runs tickets one step at a time, on the calling thread.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Stepper {
    stepper: hersh::kharon::Stepper,
}

#[pymethods]
impl Stepper {
    /// Claims a batch and runs it: how many tickets, and how long until there may be more.
    fn step(&self, py: Python<'_>) -> (usize, f64) {
        let step = py.detach(|| self.stepper.step());
        (step.ran, step.next_in.as_secs_f64())
    }

    /// Moves a clock on, running everything that falls due on the way; how many tickets.
    fn run_for(
        &self,
        py: Python<'_>,
        clock: &Bound<'_, VirtualClock>,
        seconds: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let (clock, time) = (Arc::clone(&clock.get().0), config::seconds(seconds, "seconds")?);
        Ok(py.detach(|| self.stepper.run_for(&clock, time)))
    }
}
