//! A ticket in the hands of a Python handler.

use std::sync::Mutex;

use hersh::kharon::{Options, UpdateError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors;
use super::reading::{parsed, payload};
use super::ticket::Ticket;
use crate::config;
use crate::errors::StateError;
use crate::shared::lock;

/// A ticket that a worker has claimed, as its handler gets it.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Claim {
    ticket: hersh::kharon::Ticket,
    current: Mutex<Option<Borrowed>>,
}

/// The core's claim, while its handler runs.
struct Borrowed(*const hersh::kharon::Claim);

// SAFETY: it is used under the lock of `Claim::current` alone, by one thread at a time, and the
// thread that it was borrowed from does not touch it until it has taken it back.
unsafe impl Send for Borrowed {}

impl Claim {
    pub(super) fn lend(claim: &hersh::kharon::Claim) -> Self {
        let current = Mutex::new(Some(Borrowed(std::ptr::from_ref(claim))));
        Self { ticket: claim.ticket().clone(), current }
    }

    /// Ends the borrowing. To be called before the claim that was lent goes away.
    pub(super) fn take_back(&self) {
        lock(&self.current).take();
    }

    /// Uses the core's claim, with the interpreter let go of.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&hersh::kharon::Claim) -> T + Send,
    ) -> PyResult<T> {
        let answer = py.detach(|| {
            let current = lock(&self.current);
            // SAFETY: `take_back` is called before the claim goes away, and waits for this lock.
            current.as_ref().map(|borrowed| call(unsafe { &*borrowed.0 }))
        });
        answer.ok_or_else(|| {
            StateError::new_err(
                "the handler of this claim has returned: settle its ticket by the Kharon, or keep \
                 it with leave()",
            )
        })
    }

    fn settle(
        &self,
        py: Python<'_>,
        settle: impl FnOnce(&hersh::kharon::Claim) -> Result<(), UpdateError> + Send,
    ) -> PyResult<()> {
        self.with(py, settle)?.map_err(|error| errors::update(py, &error))
    }
}

/// What is said when a ticket is settled.
pub(crate) fn options(
    expire_in: Option<&Bound<'_, PyAny>>,
    keep: bool,
    error_reason: Option<String>,
    delay: Option<&Bound<'_, PyAny>>,
    nice: Option<i32>,
    carried: Option<&Bound<'_, PyAny>>,
) -> PyResult<Options> {
    let mut options = Options::new();
    options.expire_in = expire_in.map(|after| config::seconds(after, "expire_in")).transpose()?;
    options.keep = keep;
    options.error_reason = error_reason.map(Into::into);
    if let Some(delay) = delay {
        options.delay = config::seconds(delay, "delay")?;
    }
    options.nice = nice;
    options.payload = carried.map(payload).transpose()?;
    Ok(options)
}

#[pymethods]
impl Claim {
    /// The ticket as it was when it was claimed; stands for the claim.
    #[getter]
    fn ticket(&self) -> Ticket {
        Ticket::kept_as(self.ticket.clone())
    }

    /// The ticket's id.
    #[getter]
    fn id(&self) -> &str {
        self.ticket.id.as_str()
    }

    /// The ticket's type.
    #[getter]
    fn r#type(&self) -> &str {
        self.ticket.kind.as_str()
    }

    /// What the ticket carries.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.ticket.payload)
    }

    /// What the ticket carries, read as JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, &self.ticket.payload)
    }

    /// Which attempt this is, from 1.
    #[getter]
    fn attempts(&self) -> u32 {
        self.ticket.attempts
    }

    /// How long until the claim is over, and others may claim the ticket.
    fn remaining(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.with(py, hersh::kharon::Claim::remaining)?.as_secs_f64())
    }

    /// Whether the workers are being stopped, so that there is reason to hurry.
    #[getter]
    fn is_stopping(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, hersh::kharon::Claim::is_stopping)
    }

    /// The work is done; the ticket is kept.
    #[pyo3(signature = (*, expire_in=None, payload=None))]
    fn done(
        &self,
        py: Python<'_>,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, false, None, None, None, payload)?;
        self.settle(py, |claim| claim.done(options))
    }

    /// The work is done; the ticket is removed, unless it is to be kept.
    #[pyo3(signature = (*, keep=false, expire_in=None, payload=None))]
    fn ack(
        &self,
        py: Python<'_>,
        keep: bool,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, keep, None, None, None, payload)?;
        self.settle(py, |claim| claim.ack(options))
    }

    /// The work failed for good: the ticket becomes a dead letter.
    #[pyo3(signature = (error_reason=None, *, expire_in=None, payload=None))]
    fn fail(
        &self,
        py: Python<'_>,
        error_reason: Option<String>,
        expire_in: Option<&Bound<'_, PyAny>>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, false, error_reason, None, None, payload)?;
        self.settle(py, |claim| claim.fail(options))
    }

    /// The work is no longer wanted; the ticket is removed, unless it is to be kept.
    #[pyo3(signature = (error_reason=None, *, keep=false, expire_in=None))]
    fn cancel(
        &self,
        py: Python<'_>,
        error_reason: Option<String>,
        keep: bool,
        expire_in: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(expire_in, keep, error_reason, None, None, None)?;
        self.settle(py, |claim| claim.cancel(options))
    }

    /// The ticket is to be tried again, after ``delay``.
    #[pyo3(signature = (delay=None, *, error_reason=None, nice=None, payload=None))]
    fn retry(
        &self,
        py: Python<'_>,
        delay: Option<&Bound<'_, PyAny>>,
        error_reason: Option<String>,
        nice: Option<i32>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = options(None, false, error_reason, delay, nice, payload)?;
        self.settle(py, |claim| claim.retry(options))
    }

    /// Leaves the ticket claimed when the handler returns, for somebody else to settle.
    fn leave(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, hersh::kharon::Claim::leave)
    }

    /// Lets the claim run for the whole ``process_time`` again, from now.
    fn extend(&self, py: Python<'_>) -> PyResult<()> {
        self.settle(py, hersh::kharon::Claim::extend)
    }

    fn __repr__(&self) -> String {
        format!("<Claim of {:?}, attempt {}>", self.id(), self.ticket.attempts)
    }
}
