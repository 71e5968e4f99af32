//! Groups: tickets that are finished together.

use hersh::kharon::{NewGroup, Progress, TicketId};
use pyo3::prelude::*;

use super::reading::{label, seconds, ticket_id, timestamp};
use super::ticket::Ticket;
use crate::config;

/// A group of tickets that are finished together, as a store keeps it.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Group {
    pub(crate) group: hersh::kharon::Group,
    finalizers: Vec<hersh::kharon::NewTicket>,
}

impl From<hersh::kharon::Group> for Group {
    fn from(group: hersh::kharon::Group) -> Self {
        Self { group, finalizers: Vec::new() }
    }
}

impl From<NewGroup> for Group {
    fn from(new: NewGroup) -> Self {
        let mut group = hersh::kharon::Group::bare(new.name.clone());
        group.expire_in = new.expire_in;
        group.finalizers = new.finalizers.iter().map(|ticket| ticket.id.clone()).collect();
        Self { group, finalizers: new.into_finalizers() }
    }
}

#[pymethods]
impl Group {
    #[new]
    #[pyo3(signature = (
        name, *, closed=false, pending=0, done=0, failed=0, cancelled=0, finalizers=Vec::new(),
        expire_in=None, finished_at=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "the columns of a store")]
    fn new(
        name: &str,
        closed: bool,
        pending: u64,
        done: u64,
        failed: u64,
        cancelled: u64,
        finalizers: Vec<String>,
        expire_in: Option<&Bound<'_, PyAny>>,
        finished_at: Option<f64>,
    ) -> PyResult<Self> {
        let mut group = hersh::kharon::Group::bare(label(name)?);
        group.closed = closed;
        group.progress = Progress { pending, done, failed, cancelled };
        group.finalizers = finalizers.iter().map(|id| ticket_id(id)).collect::<PyResult<_>>()?;
        if let Some(expire_in) = expire_in {
            group.expire_in = config::seconds(expire_in, "expire_in")?;
        }
        group.finished_at = finished_at.map(timestamp).transpose()?;
        Ok(group.into())
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.group.name.as_str()
    }

    /// Whether it takes no more tickets.
    #[getter]
    fn closed(&self) -> bool {
        self.group.closed
    }

    /// Tickets that are not settled yet.
    #[getter]
    fn pending(&self) -> u64 {
        self.group.progress.pending
    }

    /// Tickets that are done.
    #[getter]
    fn done(&self) -> u64 {
        self.group.progress.done
    }

    /// Tickets that failed for good.
    #[getter]
    fn failed(&self) -> u64 {
        self.group.progress.failed
    }

    /// Tickets that were cancelled, or deleted while they were pending.
    #[getter]
    fn cancelled(&self) -> u64 {
        self.group.progress.cancelled
    }

    /// All tickets that were ever added to it.
    #[getter]
    fn total(&self) -> u64 {
        self.group.progress.total()
    }

    /// The ids of the tickets that become ready when it is finished.
    #[getter]
    fn finalizers(&self) -> Vec<&str> {
        self.group.finalizers.iter().map(TicketId::as_str).collect()
    }

    /// For stores: the finalizers to add, with a group that is opened.
    #[getter]
    fn new_finalizers(&self) -> Vec<Ticket> {
        self.finalizers.iter().cloned().map(Ticket::new_as).collect()
    }

    /// How long after it is finished it is forgotten.
    #[getter]
    fn expire_in(&self) -> f64 {
        self.group.expire_in.as_secs_f64()
    }

    /// When it was finished.
    #[getter]
    fn finished_at(&self) -> Option<f64> {
        self.group.finished_at.map(seconds)
    }

    fn __repr__(&self) -> String {
        let Progress { pending, done, failed, cancelled } = self.group.progress;
        format!(
            "<Group {:?}: {pending} pending, {done} done, {failed} failed, {cancelled} cancelled>",
            self.name()
        )
    }
}
