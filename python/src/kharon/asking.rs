//! What a store is asked, and what it answers.

use std::time::Duration;

use hersh::kharon::store::{self, Cursor, IfExists};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::reading::label;
use super::ticket::{Ticket, status};
use crate::config;

/// A ticket to add.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Addition(pub(crate) store::Addition);

#[pymethods]
impl Addition {
    /// The ticket; ``rules.admit`` makes of it the one to keep.
    #[getter]
    fn ticket(&self) -> Ticket {
        Ticket::new_as(self.0.ticket.clone())
    }

    /// What to do when there is one with its id; ``keep`` goes for the unique key too.
    #[getter]
    fn if_exists(&self) -> &'static str {
        match self.0.if_exists {
            IfExists::Refuse => "refuse",
            IfExists::Replace => "replace",
            IfExists::Keep => "keep",
        }
    }
}

/// A change to make to a ticket.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Update(pub(crate) store::Update);

#[pymethods]
impl Update {
    /// Which ticket.
    #[getter]
    fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The claim under which it is changed, if any.
    #[getter]
    fn token(&self) -> Option<u64> {
        self.0.token.map(|token| token.0)
    }

    /// What to change; ``rules.apply`` does it.
    #[getter]
    fn change(&self) -> Change {
        Change(self.0.change.clone())
    }
}

/// What to change. What does not belong to its ``kind`` is ``None``.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Change(pub(crate) store::Change);

#[pymethods]
impl Change {
    /// What it does.
    #[getter]
    fn kind(&self) -> &'static str {
        match &self.0 {
            store::Change::Finish { .. } => "finish",
            store::Change::Retry { .. } => "retry",
            store::Change::Release => "release",
            store::Change::Extend { .. } => "extend",
            store::Change::Skip => "skip",
            store::Change::Revive { .. } => "revive",
            store::Change::Delete => "delete",
            _ => "unknown",
        }
    }

    /// How it is finished.
    #[getter]
    fn status(&self) -> Option<&'static str> {
        match &self.0 {
            store::Change::Finish { status, .. } => Some(status.as_str()),
            _ => None,
        }
    }

    /// Whether a finished ticket stays in the store.
    #[getter]
    fn keep(&self) -> Option<bool> {
        match &self.0 {
            store::Change::Finish { keep, .. } => Some(*keep),
            _ => None,
        }
    }

    /// How long a finished ticket stays; without end unless said.
    #[getter]
    fn expire_in(&self) -> Option<f64> {
        match &self.0 {
            store::Change::Finish { expire_in, .. } => expire_in.map(|after| after.as_secs_f64()),
            _ => None,
        }
    }

    /// Why.
    #[getter]
    fn reason(&self) -> Option<&str> {
        match &self.0 {
            store::Change::Finish { reason, .. } | store::Change::Retry { reason, .. } => {
                reason.as_deref()
            }
            _ => None,
        }
    }

    /// A new payload.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.0 {
            store::Change::Finish { payload, .. } | store::Change::Retry { payload, .. } => {
                payload.as_ref().map(|payload| PyBytes::new(py, payload))
            }
            _ => None,
        }
    }

    /// How long a retried or revived ticket waits.
    #[getter]
    fn delay(&self) -> Option<f64> {
        match &self.0 {
            store::Change::Retry { delay, .. } | store::Change::Revive { delay } => {
                Some(delay.as_secs_f64())
            }
            _ => None,
        }
    }

    /// A new place in the order, for a retry.
    #[getter]
    fn nice(&self) -> Option<i32> {
        match &self.0 {
            store::Change::Retry { nice, .. } => *nice,
            _ => None,
        }
    }

    /// How long an extended claim runs, from now.
    #[getter]
    fn lease(&self) -> Option<f64> {
        match &self.0 {
            store::Change::Extend { lease } => Some(lease.as_secs_f64()),
            _ => None,
        }
    }

    fn __repr__(&self) -> String {
        format!("<Change: {}>", self.kind())
    }
}

/// A request to claim tickets.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Poll(pub(crate) store::Poll);

#[pymethods]
impl Poll {
    /// The tubes to look into.
    #[getter]
    fn tubes(&self) -> Vec<&str> {
        self.0.tubes.iter().map(hersh::kharon::Label::as_str).collect()
    }

    /// The most tickets to claim.
    #[getter]
    fn at_most(&self) -> usize {
        self.0.at_most
    }

    /// How long the claims run.
    #[getter]
    fn lease(&self) -> f64 {
        self.0.lease.as_secs_f64()
    }

    /// How many of a type may be claimed.
    fn budget(&self, r#type: &str) -> PyResult<usize> {
        Ok(self.0.budget(&label(r#type)?))
    }
}

fn optional_seconds(given: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Option<Duration>> {
    given.map(|given| config::seconds(given, what)).transpose()
}

/// What a poll brought: tickets in order, each claimed; and how long until the next may be ready.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Polled(pub(crate) store::Polled);

#[pymethods]
impl Polled {
    #[new]
    #[pyo3(signature = (tickets, next_in=None))]
    fn new(tickets: Vec<Bound<'_, Ticket>>, next_in: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let tickets = tickets.iter().map(|ticket| ticket.get().to_kept());
        let tickets = tickets.collect::<PyResult<_>>()?;
        Ok(Self(store::Polled { tickets, next_in: optional_seconds(next_in, "next_in")? }))
    }
}

/// How many tickets were removed, and how long until the next is to be; zero when more are due.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Expired(pub(crate) store::Expired);

#[pymethods]
impl Expired {
    #[new]
    #[pyo3(signature = (removed, next_in=None))]
    fn new(removed: usize, next_in: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self(store::Expired { removed, next_in: optional_seconds(next_in, "next_in")? }))
    }
}

/// Which tickets to list: those that match in everything that is said.
#[pyclass(frozen, module = "hersh.kharon")]
#[derive(Default)]
pub(crate) struct Filter(pub(crate) store::Filter);

#[pymethods]
impl Filter {
    #[new]
    #[pyo3(signature = (*, status=None, r#type=None, tube=None, group=None))]
    fn new(
        status: Option<&str>,
        r#type: Option<&str>,
        tube: Option<&str>,
        group: Option<&str>,
    ) -> PyResult<Self> {
        filter(status, r#type, tube, group).map(Self)
    }

    /// Whether a ticket matches.
    fn matches(&self, ticket: &Bound<'_, Ticket>) -> PyResult<bool> {
        Ok(self.0.matches(&ticket.get().to_kept()?))
    }
}

pub(crate) fn filter(
    status: Option<&str>,
    kind: Option<&str>,
    tube: Option<&str>,
    group: Option<&str>,
) -> PyResult<store::Filter> {
    Ok(store::Filter {
        status: status.map(self::status).transpose()?,
        kind: kind.map(label).transpose()?,
        tube: tube.map(label).transpose()?,
        group: group.map(label).transpose()?,
    })
}

/// A part of a listing.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Listing(pub(crate) store::Listing);

#[pymethods]
impl Listing {
    #[new]
    #[pyo3(signature = (tickets, next=None))]
    fn new(tickets: Vec<Bound<'_, Ticket>>, next: Option<u64>) -> PyResult<Self> {
        let tickets = tickets.iter().map(|ticket| ticket.get().to_kept());
        let tickets = tickets.collect::<PyResult<_>>()?;
        Ok(Self(store::Listing { tickets, next: next.map(Cursor) }))
    }

    /// The tickets.
    #[getter]
    fn tickets(&self) -> Vec<Ticket> {
        self.0.tickets.iter().cloned().map(Ticket::kept_as).collect()
    }

    /// Where it goes on; ``None`` at the end.
    #[getter]
    fn next(&self) -> Option<u64> {
        self.0.next.map(|cursor| cursor.0)
    }
}

/// How many tickets a store has.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct StoreStats(pub(crate) store::StoreStats);

#[pymethods]
impl StoreStats {
    #[new]
    #[pyo3(signature = (*, pending=0, claimed=0, done=0, failed=0, cancelled=0))]
    fn new(pending: u64, claimed: u64, done: u64, failed: u64, cancelled: u64) -> Self {
        let mut stats = store::StoreStats::default();
        (stats.pending, stats.claimed, stats.done) = (pending, claimed, done);
        (stats.failed, stats.cancelled) = (failed, cancelled);
        Self(stats)
    }

    /// Pending ones, claimed or not.
    #[getter]
    fn pending(&self) -> u64 {
        self.0.pending
    }

    /// Those of the pending ones that are claimed.
    #[getter]
    fn claimed(&self) -> u64 {
        self.0.claimed
    }

    /// Done ones that were kept.
    #[getter]
    fn done(&self) -> u64 {
        self.0.done
    }

    /// Failed ones: the dead letters.
    #[getter]
    fn failed(&self) -> u64 {
        self.0.failed
    }

    /// Cancelled ones that were kept.
    #[getter]
    fn cancelled(&self) -> u64 {
        self.0.cancelled
    }

    /// All of them.
    #[getter]
    fn total(&self) -> u64 {
        self.0.total()
    }

    fn __repr__(&self) -> String {
        let store::StoreStats { pending, claimed, done, failed, cancelled, .. } = self.0;
        format!(
            "StoreStats(pending={pending}, claimed={claimed}, done={done}, failed={failed}, \
             cancelled={cancelled})"
        )
    }
}
