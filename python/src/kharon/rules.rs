//! The rules of tickets and groups, for stores that are written in Python: what an event does at a
//! moment. They change nothing that they are given.

use hersh::kharon::{ClaimToken, Timestamp, rules};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::asking::Change;
use super::errors;
use super::group::Group;
use super::reading::{seconds, timestamp};
use super::ticket::{Ticket, status};
use crate::config;

/// The ticket that a new one becomes when it is added.
#[pyfunction]
pub(crate) fn admit(ticket: &Bound<'_, Ticket>, now: f64) -> PyResult<Ticket> {
    Ok(Ticket::kept_as(rules::admit(ticket.get().to_new()?, timestamp(now)?)))
}

/// From when on a ticket can be claimed; ``None`` when it is settled.
#[pyfunction]
pub(crate) fn ready_at(ticket: &Bound<'_, Ticket>) -> PyResult<Option<f64>> {
    Ok(rules::ready_at(&ticket.get().to_kept()?).map(seconds))
}

/// The ticket as it is once it is claimed. ``ValueError`` when it is not ready.
#[pyfunction]
pub(crate) fn claim(
    ticket: &Bound<'_, Ticket>,
    token: u64,
    lease: &Bound<'_, PyAny>,
    now: f64,
) -> PyResult<Ticket> {
    let (mut ticket, now) = (ticket.get().to_kept()?, timestamp(now)?);
    if rules::ready_at(&ticket).is_none_or(|at| at > now) {
        return Err(PyValueError::new_err(format!("the ticket {} is not ready", ticket.id)));
    }
    rules::claim(&mut ticket, ClaimToken(token), config::seconds(lease, "lease")?, now);
    Ok(Ticket::kept_as(ticket))
}

/// Whether a claim is still good: the ticket's last one, and its time not over.
#[pyfunction]
pub(crate) fn holds(ticket: &Bound<'_, Ticket>, token: u64, now: f64) -> PyResult<bool> {
    Ok(rules::holds(&ticket.get().to_kept()?, ClaimToken(token), timestamp(now)?))
}

/// How a ticket moved: from one status to another.
type Moved = Option<(&'static str, &'static str)>;

/// The ticket after a change, whether it is to be removed, and how it moved.
#[pyfunction]
pub(crate) fn apply(
    py: Python<'_>,
    ticket: &Bound<'_, Ticket>,
    token: Option<u64>,
    change: &Bound<'_, Change>,
    now: f64,
) -> PyResult<(Ticket, bool, Moved)> {
    let mut ticket = ticket.get().to_kept()?;
    let token = token.map(ClaimToken);
    let outcome = rules::apply(&mut ticket, token, &change.get().0, timestamp(now)?)
        .map_err(|error| errors::update(py, &error))?;
    let moved = outcome.moved.map(|(from, to)| (from.as_str(), to.as_str()));
    Ok((Ticket::kept_as(ticket), outcome.removed, moved))
}

/// The group with one more pending ticket. ``GroupClosed``.
#[pyfunction]
pub(crate) fn join_group(py: Python<'_>, group: &Bound<'_, Group>) -> PyResult<Group> {
    let mut group = group.get().group.clone();
    rules::join_group(&mut group).map_err(|error| errors::add(py, &error))?;
    Ok(group.into())
}

/// The group after a ticket moved, and whether it is finished by that.
#[pyfunction]
pub(crate) fn count(
    group: &Bound<'_, Group>,
    moved: (String, String),
    now: f64,
) -> PyResult<(Group, bool)> {
    let mut group = group.get().group.clone();
    let moved = (status(&moved.0)?, status(&moved.1)?);
    let finished = rules::count(&mut group, moved, timestamp(now)?);
    Ok((group.into(), finished))
}

/// The group closed, and whether it is finished by that.
#[pyfunction]
pub(crate) fn close_group(group: &Bound<'_, Group>, now: f64) -> PyResult<(Group, bool)> {
    let mut group = group.get().group.clone();
    let finished = rules::close_group(&mut group, timestamp(now)?);
    Ok((group.into(), finished))
}

/// The finalizer made ready; ``None`` when it waits for its group no longer.
#[pyfunction]
pub(crate) fn free_finalizer(ticket: &Bound<'_, Ticket>, now: f64) -> PyResult<Option<Ticket>> {
    let (mut ticket, now): (_, Timestamp) = (ticket.get().to_kept()?, timestamp(now)?);
    Ok(rules::free_finalizer(&mut ticket, now).then(|| Ticket::kept_as(ticket)))
}
