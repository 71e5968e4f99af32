//! A store that is written in Python, as a store of the core.

use std::sync::Arc;

use hersh::kharon::store::{
    Added, Addition, Expired, Filter, Listing, Page, Poll, Polled, Store, StoreStats, Update,
};
use hersh::kharon::{
    AddError, Bell, Group, GroupError, Label, NewGroup, StoreError, StoreFault, Ticket, TicketId,
    UpdateError,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::reading::ticket_id;
use super::{asking, clock, errors, group, ticket};
use crate::errors::log;
use crate::interpreter::enter;

/// Calls a Python object's methods, of the names that the trait has.
pub(crate) struct PyStore {
    object: Py<PyAny>,
    prefers_batches: bool,
}

impl PyStore {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let prefers_batches = match object.getattr_opt("prefers_batches")? {
            Some(answer) if answer.is_callable() => answer.call0()?.is_truthy()?,
            Some(answer) => answer.is_truthy()?,
            None => true,
        };
        Ok(Self { object: object.clone().unbind(), prefers_batches })
    }

    /// Calls one of its methods, and reads the answer. An exception concerns the whole call.
    fn ask<T>(&self, ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, StoreError> {
        self.ask_or(ask, errors::to_store, |error| error)
    }

    fn ask_or<T, E>(
        &self,
        ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
        refused: impl FnOnce(Python<'_>, &PyErr) -> E,
        ending: impl FnOnce(StoreError) -> E,
    ) -> Result<T, E> {
        let answered = enter(|py| {
            ask(self.object.bind(py)).map_err(|error| {
                if !error.is_instance_of::<crate::errors::HershError>(py) {
                    log(py, "error", "a store raised", &error);
                }
                refused(py, &error)
            })
        });
        answered.unwrap_or_else(|| {
            let words = "the interpreter is ending";
            Err(ending(StoreError::new(StoreFault::Unavailable, words)))
        })
    }
}

/// One answer for each of so many questions.
fn answers<'py>(given: &Bound<'py, PyAny>, expected: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let given: Vec<_> = given.try_iter()?.collect::<PyResult<_>>()?;
    if given.len() == expected {
        return Ok(given);
    }
    let words = format!("a store gave {} answers to {expected} questions", given.len());
    Err(PyTypeError::new_err(words))
}

fn is_exception(answer: &Bound<'_, PyAny>) -> bool {
    answer.is_instance_of::<pyo3::exceptions::PyBaseException>()
}

/// `None` or `"new"`, `"replaced"`, or the id of the ticket that was kept; or an exception.
fn added(answer: &Bound<'_, PyAny>) -> PyResult<Result<Added, AddError>> {
    if is_exception(answer) {
        return Ok(Err(errors::to_add(answer)));
    }
    if answer.is_none() {
        return Ok(Ok(Added::New));
    }
    let (how, id): (String, Option<String>) = match answer.cast::<PyString>() {
        Ok(word) => (word.to_string(), None),
        Err(_) => answer.extract()?,
    };
    match (how.as_str(), id) {
        ("new", _) => Ok(Ok(Added::New)),
        ("replaced", _) => Ok(Ok(Added::Replaced)),
        ("kept", Some(id)) => Ok(Ok(Added::Kept(ticket_id(&id)?))),
        _ => Err(PyTypeError::new_err(format!("a store answered {answer} to a new ticket"))),
    }
}

fn updated(answer: &Bound<'_, PyAny>) -> PyResult<Result<(), UpdateError>> {
    if is_exception(answer) {
        return Ok(Err(errors::to_update(answer)));
    }
    if answer.is_none() {
        return Ok(Ok(()));
    }
    Err(PyTypeError::new_err(format!("a store answered {answer} to a change")))
}

impl Store for PyStore {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        // What makes no sense to any store is not shown to this one.
        let checks: Vec<_> = additions.iter().map(|addition| addition.ticket.check()).collect();
        let sound = additions.into_iter().zip(&checks).filter(|(_, check)| check.is_ok());
        let sound: Vec<_> = sound.map(|(addition, _)| addition).collect();
        let mut answers = if sound.is_empty() {
            Vec::new()
        } else {
            self.ask(|store| {
                let asked = sound.len();
                let list = PyList::new(store.py(), sound.into_iter().map(asking::Addition))?;
                let given = answers(&store.call_method1("add", (list,))?, asked)?;
                given.iter().map(added).collect::<PyResult<Vec<_>>>()
            })?
        }
        .into_iter();
        let all = checks.into_iter().map(|check| match check {
            Err(invalid) => Err(invalid.into()),
            Ok(()) => answers.next().unwrap_or(Err(AddError::NoGroup)),
        });
        Ok(all.collect())
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        self.ask(|store| {
            let found = store.call_method1("get", (id.as_str(),))?;
            let found = found.extract::<Option<Bound<'_, ticket::Ticket>>>()?;
            found.map(|ticket| ticket.get().to_kept()).transpose()
        })
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        self.ask(|store| {
            let asked = updates.len();
            let list = PyList::new(store.py(), updates.into_iter().map(asking::Update))?;
            let given = answers(&store.call_method1("update", (list,))?, asked)?;
            given.iter().map(updated).collect()
        })
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        self.ask(|store| {
            let polled = store.call_method1("poll_pending", (asking::Poll(poll.clone()),))?;
            Ok(polled.cast::<asking::Polled>()?.get().0.clone())
        })
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        self.ask(|store| {
            let expired = store.call_method1("expire_tickets", (at_most,))?;
            Ok(expired.cast::<asking::Expired>()?.get().0)
        })
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.ask(|store| {
            let (filter, after) = (asking::Filter(filter.clone()), page.after.map(|after| after.0));
            let listing = store.call_method1("list", (filter, page.at_most, after))?;
            Ok(listing.cast::<asking::Listing>()?.get().0.clone())
        })
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.ask(|store| {
            let stats = store.call_method0("stats")?;
            Ok(stats.cast::<asking::StoreStats>()?.get().0)
        })
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        group.check()?;
        let open = |store: &Bound<'_, PyAny>| {
            store.call_method1("open_group", (group::Group::from(group),)).map(drop)
        };
        self.ask_or(open, errors::to_group, GroupError::Store)
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        let close = |store: &Bound<'_, PyAny>| {
            store.call_method1("close_group", (name.as_str(),)).map(drop)
        };
        self.ask_or(close, errors::to_group, GroupError::Store)
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        self.ask(|store| {
            let found = store.call_method1("group", (name.as_str(),))?;
            let found = found.extract::<Option<Bound<'_, group::Group>>>()?;
            Ok(found.map(|group| group.get().group.clone()))
        })
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        let delete = |store: &Bound<'_, PyAny>| {
            store.call_method1("delete_group", (name.as_str(),)).map(drop)
        };
        self.ask_or(delete, errors::to_group, GroupError::Store)
    }

    fn hang(&self, bell: &Arc<Bell>) {
        // A store that takes no bell is asked at every poll: that is all it costs.
        let _ = self.ask(|store| store.call_method1("hang", (clock::Bell::of(bell),)).map(drop));
    }

    fn prefers_batches(&self) -> bool {
        self.prefers_batches
    }
}
