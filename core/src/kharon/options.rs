//! How a ticket is settled, and which ticket.
//!
//! Values without a life of their own. A target made of a ticket carries the token of its
//! claim; one made of an id carries none, and reaches the ticket whoever has it.

use std::time::Duration;

use super::name::{InvalidName, TicketId};
use super::payload::Payload;
use super::store::Change;
use super::ticket::{ClaimToken, Status, Ticket};

/// What to say when a ticket is settled. `()` says nothing, a [`Duration`] a delay.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::{Kharon, MemoryStore, NewTicket, Options, Settings};
///
/// let kharon = Kharon::new(MemoryStore::new(), Settings::default())?;
/// kharon.add(NewTicket::new("one", "greet")?)?;
/// kharon.retry("one", Duration::from_secs(5))?;
/// kharon.fail("one", Options::new().error_reason("nobody there").expire_in(Duration::from_secs(60)))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Remove the ticket so long after; until then it is kept.
    pub expire_in: Option<Duration>,
    /// Keep the ticket where it would be removed.
    pub keep: bool,
    /// Why.
    pub error_reason: Option<Box<str>>,
    /// How long a retry or a revived ticket waits.
    pub delay: Duration,
    /// A new place in the order, for a retry.
    pub nice: Option<i32>,
    /// A new payload: a result, or how far it came.
    pub payload: Option<Payload>,
}

impl Options {
    /// Nothing to say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes the ticket so long after; until then it is kept.
    #[must_use]
    pub fn expire_in(mut self, after: Duration) -> Self {
        self.expire_in = Some(after);
        self
    }

    /// Keeps the ticket where it would be removed.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Says why. At most 4 KiB of it are kept.
    #[must_use]
    pub fn error_reason(mut self, reason: impl Into<Box<str>>) -> Self {
        self.error_reason = Some(reason.into());
        self
    }

    /// Lets a retry, or a revived ticket, wait.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Gives a retry another place in the order.
    #[must_use]
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// Gives the ticket another payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    pub(super) fn finish(self, status: Status, keep: bool) -> Change {
        Change::Finish {
            status,
            keep: keep || self.keep || self.expire_in.is_some(),
            expire_in: self.expire_in,
            reason: self.error_reason,
            payload: self.payload,
        }
    }

    pub(super) fn retry(self) -> Change {
        let Self { delay, nice, error_reason: reason, payload, .. } = self;
        Change::Retry { delay, nice, reason, payload }
    }
}

impl From<()> for Options {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Duration> for Options {
    fn from(delay: Duration) -> Self {
        Self::new().delay(delay)
    }
}

/// Which ticket, and under which claim.
///
/// A [`Ticket`] that was claimed stands for its claim: if the claim is void, so is what is done by
/// it. An id alone stands for the ticket, whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) id: TicketId,
    pub(super) token: Option<ClaimToken>,
}

impl From<TicketId> for Target {
    fn from(id: TicketId) -> Self {
        Self { id, token: None }
    }
}

impl From<&TicketId> for Target {
    fn from(id: &TicketId) -> Self {
        Self { id: id.clone(), token: None }
    }
}

impl From<&Ticket> for Target {
    fn from(ticket: &Ticket) -> Self {
        Self { id: ticket.id.clone(), token: ticket.token() }
    }
}

impl TryFrom<&str> for Target {
    type Error = InvalidName;

    fn try_from(id: &str) -> Result<Self, InvalidName> {
        TicketId::new(id).map(Self::from)
    }
}
