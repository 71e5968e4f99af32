//! Errors of Kharon as exceptions, and exceptions of a Python store as errors.

use std::time::Duration;

use hersh::kharon::{
    AddError, GroupError, InvalidTicket, Repeat, RunError, Status, StoreError, StoreFault,
    TicketId, UpdateError,
};
use pyo3::prelude::*;

use super::reading::ticket_id;
use super::ticket::status;
use crate::errors::{StateError, traceback};

mod classes {
    use pyo3::import_exception;

    import_exception!(hersh._kharon_errors, GroupClosed);
    import_exception!(hersh._kharon_errors, GroupExists);
    import_exception!(hersh._kharon_errors, GroupNotFound);
    import_exception!(hersh._kharon_errors, GroupPending);
    import_exception!(hersh._kharon_errors, InvalidTicket);
    import_exception!(hersh._kharon_errors, KeyTaken);
    import_exception!(hersh._kharon_errors, MissingFeature);
    import_exception!(hersh._kharon_errors, NotDead);
    import_exception!(hersh._kharon_errors, StaleClaim);
    import_exception!(hersh._kharon_errors, StoreError);
    import_exception!(hersh._kharon_errors, TicketExists);
    import_exception!(hersh._kharon_errors, TicketNotFound);
    import_exception!(hersh._kharon_errors, TicketSettled);
}

#[cfg_attr(feature = "kharon-postgres", expect(dead_code, reason = "then nothing is missing"))]
pub(crate) fn missing(words: &'static str) -> PyErr {
    classes::MissingFeature::new_err(words)
}

const FAULTS: [(StoreFault, &str); 6] = [
    (StoreFault::Unavailable, "unavailable"),
    (StoreFault::Full, "full"),
    (StoreFault::Foreign, "foreign"),
    (StoreFault::TooNew, "too_new"),
    (StoreFault::Corrupt, "corrupt"),
    (StoreFault::Broken, "broken"),
];

pub(crate) fn store(error: &StoreError) -> PyErr {
    let known = FAULTS.iter().find(|(fault, _)| *fault == error.fault);
    let fault = known.map_or("broken", |(_, word)| word);
    classes::StoreError::new_err((error.to_string(), fault))
}

pub(crate) fn add(_: Python<'_>, error: &AddError) -> PyErr {
    match error {
        AddError::Exists { id } => classes::TicketExists::new_err(id.to_string()),
        AddError::KeyTaken { by } => classes::KeyTaken::new_err(by.to_string()),
        AddError::NoGroup => classes::GroupNotFound::new_err(error.to_string()),
        AddError::GroupClosed => classes::GroupClosed::new_err(error.to_string()),
        AddError::Store(error) => store(error),
        _ => classes::InvalidTicket::new_err(error.to_string()),
    }
}

pub(crate) fn update(_: Python<'_>, error: &UpdateError) -> PyErr {
    match error {
        UpdateError::NotFound => classes::TicketNotFound::new_err(error.to_string()),
        UpdateError::StaleClaim => classes::StaleClaim::new_err(error.to_string()),
        UpdateError::Settled { status } => classes::TicketSettled::new_err(status.as_str()),
        UpdateError::NotDead { status } => classes::NotDead::new_err(status.as_str()),
        UpdateError::KeyTaken { by } => classes::KeyTaken::new_err(by.to_string()),
        UpdateError::Store(error) => store(error),
        _ => classes::InvalidTicket::new_err(error.to_string()),
    }
}

pub(crate) fn group(py: Python<'_>, error: &GroupError) -> PyErr {
    match error {
        GroupError::Exists => classes::GroupExists::new_err(error.to_string()),
        GroupError::NotFound => classes::GroupNotFound::new_err(error.to_string()),
        GroupError::Pending { pending } => classes::GroupPending::new_err(*pending),
        GroupError::Finalizer(error) => add(py, error),
        GroupError::Store(error) => store(error),
        _ => classes::InvalidTicket::new_err(error.to_string()),
    }
}

pub(crate) fn run(error: &RunError) -> PyErr {
    StateError::new_err(error.to_string())
}

/// What a Python store meant by an exception that concerns the whole call.
pub(crate) fn to_store(py: Python<'_>, error: &PyErr) -> StoreError {
    let fault = if error.is_instance_of::<classes::StoreError>(py) {
        let word = error.value(py).getattr("fault").and_then(|fault| fault.extract::<String>());
        let word = word.unwrap_or_default();
        FAULTS.iter().find(|(_, known)| *known == word).map(|(fault, _)| *fault)
    } else {
        None
    };
    match fault {
        Some(fault) => StoreError::new(fault, error.value(py).to_string()),
        None => StoreError::new(StoreFault::Broken, traceback(py, error)),
    }
}

/// The ticket that an exception names.
fn named(exception: &Bound<'_, PyAny>, attribute: &str) -> Option<TicketId> {
    let id = exception.getattr(attribute).ok()?.extract::<String>().ok()?;
    ticket_id(&id).ok()
}

fn status_of(exception: &Bound<'_, PyAny>) -> Status {
    let word = exception.getattr("status").and_then(|word| word.extract::<String>());
    word.and_then(|word| status(&word)).unwrap_or(Status::Pending)
}

/// The words of a store in Python cannot be kept as those of the program are.
fn invalid() -> InvalidTicket {
    let mut invalid = Repeat::every(Duration::ZERO).err();
    if let Some(invalid) = &mut invalid {
        invalid.problem = "it makes no sense to the store";
    }
    invalid.unwrap_or_else(|| unreachable!("no ticket repeats without a pause"))
}

/// What a Python store meant by refusing a ticket.
pub(crate) fn to_add(exception: &Bound<'_, PyAny>) -> AddError {
    let py = exception.py();
    let error = PyErr::from_value(exception.clone());
    if let (true, Some(id)) =
        (error.is_instance_of::<classes::TicketExists>(py), named(exception, "id"))
    {
        return AddError::Exists { id };
    }
    if let (true, Some(by)) =
        (error.is_instance_of::<classes::KeyTaken>(py), named(exception, "by"))
    {
        return AddError::KeyTaken { by };
    }
    if error.is_instance_of::<classes::GroupNotFound>(py) {
        return AddError::NoGroup;
    }
    if error.is_instance_of::<classes::GroupClosed>(py) {
        return AddError::GroupClosed;
    }
    if error.is_instance_of::<classes::InvalidTicket>(py) {
        return AddError::Invalid(invalid());
    }
    AddError::Store(to_store(py, &error))
}

/// What a Python store meant by refusing a change.
pub(crate) fn to_update(exception: &Bound<'_, PyAny>) -> UpdateError {
    let py = exception.py();
    let error = PyErr::from_value(exception.clone());
    if error.is_instance_of::<classes::TicketNotFound>(py) {
        return UpdateError::NotFound;
    }
    if error.is_instance_of::<classes::StaleClaim>(py) {
        return UpdateError::StaleClaim;
    }
    if error.is_instance_of::<classes::TicketSettled>(py) {
        return UpdateError::Settled { status: status_of(exception) };
    }
    if error.is_instance_of::<classes::NotDead>(py) {
        return UpdateError::NotDead { status: status_of(exception) };
    }
    if let (true, Some(by)) =
        (error.is_instance_of::<classes::KeyTaken>(py), named(exception, "by"))
    {
        return UpdateError::KeyTaken { by };
    }
    if error.is_instance_of::<classes::InvalidTicket>(py) {
        return UpdateError::Invalid(invalid());
    }
    UpdateError::Store(to_store(py, &error))
}

/// What a Python store meant by refusing a group.
pub(crate) fn to_group(py: Python<'_>, error: &PyErr) -> GroupError {
    let exception = error.value(py);
    if error.is_instance_of::<classes::GroupExists>(py) {
        return GroupError::Exists;
    }
    if error.is_instance_of::<classes::GroupNotFound>(py) {
        return GroupError::NotFound;
    }
    if error.is_instance_of::<classes::GroupPending>(py) {
        let pending = exception.getattr("pending").and_then(|pending| pending.extract());
        return GroupError::Pending { pending: pending.unwrap_or(1) };
    }
    if error.is_instance_of::<classes::StoreError>(py) {
        return GroupError::Store(to_store(py, error));
    }
    match to_add(exception) {
        AddError::Store(_) => GroupError::Store(to_store(py, error)),
        refused => GroupError::Finalizer(refused),
    }
}
