//! Tickets: as they are added, and as they are kept.

use std::time::Duration;

use hersh::kharon::{
    CatchUp, ClaimToken, DEFAULT_NICE, Label, Lease, NewTicket, Payload, Repeat, Status, TicketId,
    When,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::reading::{invalid, label, parsed, payload, seconds, ticket_id, timestamp};
use crate::config;

/// A piece of work: as it is to be added, or as a store keeps it.
#[pyclass(frozen, module = "hersh.kharon", eq)]
#[derive(Clone, PartialEq)]
pub(crate) struct Ticket(pub(crate) Form);

#[derive(Clone, PartialEq)]
pub(crate) enum Form {
    /// It is to be added.
    New(Box<NewTicket>),
    /// A store has it.
    Kept(Box<hersh::kharon::Ticket>),
}

impl Ticket {
    pub(crate) fn kept_as(ticket: hersh::kharon::Ticket) -> Self {
        Self(Form::Kept(Box::new(ticket)))
    }

    pub(crate) fn new_as(ticket: NewTicket) -> Self {
        Self(Form::New(Box::new(ticket)))
    }

    /// As it is to be added; one that a store had is added anew, due when it was.
    pub(crate) fn to_new(&self) -> PyResult<NewTicket> {
        match &self.0 {
            Form::New(new) => Ok((**new).clone()),
            Form::Kept(kept) => {
                let mut new = NewTicket::new(&kept.id, &kept.kind).map_err(invalid)?;
                new.tube = kept.tube.clone();
                new.payload = kept.payload.clone();
                new.nice = kept.nice;
                new.when = When::At(kept.runat);
                new.group.clone_from(&kept.group);
                new.unique_key.clone_from(&kept.unique_key);
                new.repeat.clone_from(&kept.repeat);
                Ok(new)
            }
        }
    }

    /// As a store keeps it.
    pub(crate) fn to_kept(&self) -> PyResult<hersh::kharon::Ticket> {
        self.kept_ref().cloned().ok_or_else(|| {
            PyValueError::new_err(format!("the ticket {} has not been added yet", self.id_ref()))
        })
    }

    fn kept_ref(&self) -> Option<&hersh::kharon::Ticket> {
        match &self.0 {
            Form::New(_) => None,
            Form::Kept(kept) => Some(kept),
        }
    }

    fn id_ref(&self) -> &TicketId {
        match &self.0 {
            Form::New(new) => &new.id,
            Form::Kept(kept) => &kept.id,
        }
    }

    fn payload_ref(&self) -> &Payload {
        match &self.0 {
            Form::New(new) => &new.payload,
            Form::Kept(kept) => &kept.payload,
        }
    }

    fn repeat_ref(&self) -> Option<&Repeat> {
        match &self.0 {
            Form::New(new) => new.repeat.as_deref(),
            Form::Kept(kept) => kept.repeat.as_deref(),
        }
    }
}

/// How a ticket repeats, in the words of the constructor.
fn repeat(
    every: Option<Duration>,
    cron: Option<&str>,
    catch_up: &Bound<'_, PyAny>,
) -> PyResult<Option<Repeat>> {
    let nonsense = |error: hersh::kharon::InvalidTicket| PyValueError::new_err(error.to_string());
    let repeat = match (every, cron) {
        (None, None) => return Ok(None),
        (Some(every), None) => Repeat::every(every).map_err(nonsense)?,
        (None, Some(line)) => Repeat::cron(line).map_err(nonsense)?,
        (Some(_), Some(_)) => return Err(PyValueError::new_err("either every or cron, not both")),
    };
    let catch_up = match (catch_up.extract::<u32>(), catch_up.extract::<String>().as_deref()) {
        (Ok(at_most), _) => CatchUp::All { at_most },
        (_, Ok("once")) => CatchUp::Once,
        (_, Ok("skip")) => CatchUp::Skip,
        _ => {
            let words = format!("catch_up is \"once\", \"skip\" or a number, not {catch_up}");
            return Err(PyValueError::new_err(words));
        }
    };
    Ok(Some(repeat.catch_up(catch_up)))
}

/// A status by its word.
pub(crate) fn status(word: &str) -> PyResult<Status> {
    let known = [Status::Pending, Status::Done, Status::Failed, Status::Cancelled];
    let found = known.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| PyValueError::new_err(format!("{word:?} is no status of a ticket")))
}

#[pymethods]
impl Ticket {
    #[new]
    #[pyo3(signature = (
        r#type, payload=None, *, id=None, delay=None, runat=None, nice=DEFAULT_NICE,
        tube="default", group=None, unique_key=None, every=None, cron=None, catch_up=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "all but two are named, and most are left out")]
    fn new(
        py: Python<'_>,
        r#type: &str,
        payload: Option<&Bound<'_, PyAny>>,
        id: Option<&str>,
        delay: Option<&Bound<'_, PyAny>>,
        runat: Option<f64>,
        nice: i32,
        tube: &str,
        group: Option<&str>,
        unique_key: Option<&str>,
        every: Option<&Bound<'_, PyAny>>,
        cron: Option<&str>,
        catch_up: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let id = id.map_or_else(|| Ok(TicketId::random()), ticket_id)?;
        let kind = label(r#type)?;
        let mut new = NewTicket::new(&id, &kind).map_err(invalid)?;
        new.payload = payload.map_or(Ok(Payload::EMPTY), self::payload)?;
        new.nice = nice;
        new.tube = label(tube)?;
        new.group = group.map(label).transpose()?;
        new.unique_key = unique_key.map(label).transpose()?;
        new.when = match (delay, runat) {
            (None, None) => When::Now,
            (Some(delay), None) => When::In(config::seconds(delay, "delay")?),
            (None, Some(at)) => When::At(timestamp(at)?),
            (Some(_), Some(_)) => {
                return Err(PyValueError::new_err("either delay or runat, not both"));
            }
        };
        let every = every.map(|every| config::seconds(every, "every")).transpose()?;
        let catch_up = match catch_up {
            Some(catch_up) => catch_up,
            None => "once".into_pyobject(py)?.into_any(),
        };
        new.repeat = repeat(every, cron, &catch_up)?.map(Box::new);
        Ok(Self::new_as(new))
    }

    #[staticmethod]
    #[pyo3(signature = (
        *, id, r#type, tube, payload, nice, runat, status, attempts, ctime, mtime,
        error_reason=None, expires_at=None, token=None, lease_until=None, group=None,
        unique_key=None, repeat=None
    ))]
    /// For stores: the ticket that was kept as these ``fields()``.
    #[expect(clippy::too_many_arguments, reason = "the columns of a store")]
    fn kept(
        id: &str,
        r#type: &str,
        tube: &str,
        payload: &Bound<'_, PyAny>,
        nice: i32,
        runat: f64,
        status: &str,
        attempts: u32,
        ctime: f64,
        mtime: f64,
        error_reason: Option<String>,
        expires_at: Option<f64>,
        token: Option<u64>,
        lease_until: Option<f64>,
        group: Option<&str>,
        unique_key: Option<&str>,
        repeat: Option<&str>,
    ) -> PyResult<Self> {
        let mut ticket = hersh::kharon::Ticket::bare(ticket_id(id)?, label(r#type)?, label(tube)?);
        ticket.payload = self::payload(payload)?;
        ticket.nice = nice;
        ticket.runat = timestamp(runat)?;
        ticket.status = self::status(status)?;
        ticket.attempts = attempts;
        ticket.ctime = timestamp(ctime)?;
        ticket.mtime = timestamp(mtime)?;
        ticket.error_reason = error_reason.map(Into::into);
        ticket.expires_at = expires_at.map(timestamp).transpose()?;
        ticket.lease = match (token, lease_until) {
            (Some(token), Some(until)) => {
                Some(Lease { token: ClaimToken(token), until: timestamp(until)? })
            }
            _ => None,
        };
        ticket.group = group.map(label).transpose()?;
        ticket.unique_key = unique_key.map(label).transpose()?;
        if let Some(text) = repeat {
            let unknown = || PyValueError::new_err(format!("{text:?} is no repetition"));
            ticket.repeat = Some(Box::new(Repeat::from_text(text).ok_or_else(unknown)?));
        }
        Ok(Self::kept_as(ticket))
    }

    /// For stores: everything there is to keep of a ticket that was added.
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let kept = self.to_kept()?;
        let fields = PyDict::new(py);
        fields.set_item("id", kept.id.as_str())?;
        fields.set_item("type", kept.kind.as_str())?;
        fields.set_item("tube", kept.tube.as_str())?;
        fields.set_item("payload", PyBytes::new(py, &kept.payload))?;
        fields.set_item("nice", kept.nice)?;
        fields.set_item("runat", seconds(kept.runat))?;
        fields.set_item("status", kept.status.as_str())?;
        fields.set_item("attempts", kept.attempts)?;
        fields.set_item("ctime", seconds(kept.ctime))?;
        fields.set_item("mtime", seconds(kept.mtime))?;
        fields.set_item("error_reason", kept.error_reason.as_deref())?;
        fields.set_item("expires_at", kept.expires_at.map(seconds))?;
        fields.set_item("token", kept.lease.map(|lease| lease.token.0))?;
        fields.set_item("lease_until", kept.lease.map(|lease| seconds(lease.until)))?;
        fields.set_item("group", kept.group.as_ref().map(Label::as_str))?;
        fields.set_item("unique_key", kept.unique_key.as_ref().map(Label::as_str))?;
        fields.set_item("repeat", kept.repeat.as_deref().map(Repeat::to_text))?;
        Ok(fields)
    }

    /// What tells it from every other.
    #[getter]
    fn id(&self) -> &str {
        self.id_ref().as_str()
    }

    /// By which the router chooses the handler.
    #[getter]
    fn r#type(&self) -> &str {
        match &self.0 {
            Form::New(new) => new.kind.as_str(),
            Form::Kept(kept) => kept.kind.as_str(),
        }
    }

    /// The named queue it waits in.
    #[getter]
    fn tube(&self) -> &str {
        match &self.0 {
            Form::New(new) => new.tube.as_str(),
            Form::Kept(kept) => kept.tube.as_str(),
        }
    }

    /// What it carries.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.payload_ref())
    }

    /// What it carries, read as JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        parsed(py, self.payload_ref())
    }

    /// Lower goes first.
    #[getter]
    fn nice(&self) -> i32 {
        match &self.0 {
            Form::New(new) => new.nice,
            Form::Kept(kept) => kept.nice,
        }
    }

    /// Not before this; of one that is to be added, if it names a time.
    #[getter]
    fn runat(&self) -> Option<f64> {
        match &self.0 {
            Form::New(new) => match new.when {
                When::At(at) => Some(seconds(at)),
                When::Now | When::In(_) => None,
            },
            Form::Kept(kept) => Some(seconds(kept.runat)),
        }
    }

    /// How long it is to wait, if it says so; of one that is to be added.
    #[getter]
    fn delay(&self) -> Option<f64> {
        match &self.0 {
            Form::New(new) => match new.when {
                When::In(delay) => Some(delay.as_secs_f64()),
                When::Now | When::At(_) => None,
            },
            Form::Kept(_) => None,
        }
    }

    /// Where it stands.
    #[getter]
    fn status(&self) -> &'static str {
        self.kept_ref().map_or(Status::Pending, |kept| kept.status).as_str()
    }

    /// How often it was claimed since it was added, revived, or fell due by its schedule.
    #[getter]
    fn attempts(&self) -> u32 {
        self.kept_ref().map_or(0, |kept| kept.attempts)
    }

    /// When it was added.
    #[getter]
    fn ctime(&self) -> Option<f64> {
        self.kept_ref().map(|kept| seconds(kept.ctime))
    }

    /// When it was last changed; claims count.
    #[getter]
    fn mtime(&self) -> Option<f64> {
        self.kept_ref().map(|kept| seconds(kept.mtime))
    }

    /// Why its last attempt failed.
    #[getter]
    fn error_reason(&self) -> Option<&str> {
        self.kept_ref().and_then(|kept| kept.error_reason.as_deref())
    }

    /// When it is to be removed.
    #[getter]
    fn expires_at(&self) -> Option<f64> {
        self.kept_ref().and_then(|kept| kept.expires_at).map(seconds)
    }

    /// What proves the last claim.
    #[getter]
    fn token(&self) -> Option<u64> {
        self.kept_ref().and_then(|kept| kept.lease).map(|lease| lease.token.0)
    }

    /// From here on the last claim is void.
    #[getter]
    fn lease_until(&self) -> Option<f64> {
        self.kept_ref().and_then(|kept| kept.lease).map(|lease| seconds(lease.until))
    }

    /// The group it belongs to.
    #[getter]
    fn group(&self) -> Option<&str> {
        match &self.0 {
            Form::New(new) => new.group.as_ref().map(Label::as_str),
            Form::Kept(kept) => kept.group.as_ref().map(Label::as_str),
        }
    }

    /// While it is pending, no other ticket with this key can be added.
    #[getter]
    fn unique_key(&self) -> Option<&str> {
        match &self.0 {
            Form::New(new) => new.unique_key.as_ref().map(Label::as_str),
            Form::Kept(kept) => kept.unique_key.as_ref().map(Label::as_str),
        }
    }

    /// Whether it goes back to pending when it is done.
    #[getter]
    fn repeats(&self) -> bool {
        self.repeat_ref().is_some()
    }

    fn __repr__(&self) -> String {
        let (kind, id, status) = (self.r#type(), self.id(), self.status());
        let bytes = self.payload_ref().len();
        format!("<Ticket {id:?} of {kind:?}, {status}, {bytes} bytes>")
    }
}

/// An id that nobody else has: a random UUIDv7.
#[pyfunction]
pub(crate) fn random_id() -> String {
    TicketId::random().to_string()
}
