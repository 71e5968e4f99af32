//! Tickets: as they are added, and as they are kept.
//!
//! Plain values: a ticket that was read is how it was then. What changes one is a call to the store.

use std::fmt;
use std::time::Duration;

use super::error::InvalidTicket;
use super::name::{InvalidName, Label, TicketId};
use super::payload::{MAX_PAYLOAD, Payload};
use super::schedule::Repeat;
use super::time::Timestamp;

/// The `nice` of tickets that name none.
pub const DEFAULT_NICE: i32 = 512;

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// It waits for its time, for a worker, or for a worker to finish.
    Pending,
    /// Its work was done.
    Done,
    /// Its work failed for good. A dead letter: see [`Kharon::revive`](super::Kharon::revive).
    Failed,
    /// Somebody no longer wanted it.
    Cancelled,
}

impl Status {
    /// Whether nothing will happen to the ticket by itself any more, but that it may expire.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// In one lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// As the number that stores keep.
    pub const fn code(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Done => 1,
            Self::Failed => 2,
            Self::Cancelled => 3,
        }
    }

    /// From the number that stores keep.
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Pending),
            1 => Some(Self::Done),
            2 => Some(Self::Failed),
            3 => Some(Self::Cancelled),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What proves that a claim is the latest one of its ticket: a number that a store never gives
/// twice, not even for a ticket that was deleted and added again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimToken(pub u64);

/// That a worker has a ticket, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Proves the claim.
    pub token: ClaimToken,
    /// From here on the claim is void, and the ticket can be claimed again.
    pub until: Timestamp,
}

/// A ticket, as a store keeps it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ticket {
    /// What tells it from every other.
    pub id: TicketId,
    /// Its type, by which the router chooses the handler.
    pub kind: Label,
    /// The named queue it waits in.
    pub tube: Label,
    /// What it carries.
    pub payload: Payload,
    /// Lower goes first.
    pub nice: i32,
    /// Not before this. A claim does not change it, so a ticket whose worker died keeps its place.
    pub runat: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// How often it was claimed since it was added, revived, or fell due by its schedule.
    pub attempts: u32,
    /// When it was added.
    pub ctime: Timestamp,
    /// When it was last changed. Claims count as changes.
    pub mtime: Timestamp,
    /// Why its last attempt failed.
    pub error_reason: Option<Box<str>>,
    /// When it is to be removed.
    pub expires_at: Option<Timestamp>,
    /// The last claim, void or not, of a pending ticket.
    pub lease: Option<Lease>,
    /// The group it belongs to.
    pub group: Option<Label>,
    /// While it is pending, no other ticket with this key can be added.
    pub unique_key: Option<Label>,
    /// How it repeats.
    pub repeat: Option<Box<Repeat>>,
}

impl Ticket {
    /// A pending ticket with nothing but its names. For stores, which then fill in what they kept.
    pub fn bare(id: TicketId, kind: Label, tube: Label) -> Self {
        Self {
            id,
            kind,
            tube,
            payload: Payload::EMPTY,
            nice: DEFAULT_NICE,
            runat: Timestamp::EPOCH,
            status: Status::Pending,
            attempts: 0,
            ctime: Timestamp::EPOCH,
            mtime: Timestamp::EPOCH,
            error_reason: None,
            expires_at: None,
            lease: None,
            group: None,
            unique_key: None,
            repeat: None,
        }
    }

    /// The token of the last claim.
    pub fn token(&self) -> Option<ClaimToken> {
        self.lease.map(|lease| lease.token)
    }
}

/// When a new ticket may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// So long after it was added, by the store's clock.
    In(Duration),
    /// At a moment.
    At(Timestamp),
}

/// A ticket that is to be added.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::NewTicket;
///
/// let ticket = NewTicket::new("invoice-17", "send-invoice")?
///     .payload("{\"to\":\"ann\"}")
///     .nice(5)
///     .delay(Duration::from_secs(60));
/// assert_eq!(ticket.id.as_str(), "invoice-17");
/// # Ok::<(), hersh::kharon::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewTicket {
    /// What is to tell it from every other.
    pub id: TicketId,
    /// Its type.
    pub kind: Label,
    /// The tube it goes to: `default` unless said otherwise.
    pub tube: Label,
    /// What it carries.
    pub payload: Payload,
    /// Lower goes first. [`DEFAULT_NICE`] unless said otherwise.
    pub nice: i32,
    /// When it may run.
    pub when: When,
    /// The group it belongs to, which must be open.
    pub group: Option<Label>,
    /// While it is pending, no other ticket with this key can be added.
    pub unique_key: Option<Label>,
    /// How it repeats.
    pub repeat: Option<Box<Repeat>>,
}

impl NewTicket {
    /// A ticket of an id and a type.
    ///
    /// # Errors
    /// When one of them cannot be a name.
    pub fn new<I, K>(id: I, kind: K) -> Result<Self, InvalidName>
    where
        I: TryInto<TicketId>,
        K: TryInto<Label>,
        InvalidName: From<I::Error> + From<K::Error>,
    {
        Ok(Self::of(id.try_into()?, kind.try_into()?))
    }

    fn of(id: TicketId, kind: Label) -> Self {
        Self {
            id,
            kind,
            tube: Label::default_tube(),
            payload: Payload::EMPTY,
            nice: DEFAULT_NICE,
            when: When::Now,
            group: None,
            unique_key: None,
            repeat: None,
        }
    }

    /// A ticket with a [random id](TicketId::random).
    ///
    /// # Errors
    /// When the type cannot be a name.
    pub fn random<K>(kind: K) -> Result<Self, InvalidName>
    where
        K: TryInto<Label>,
        InvalidName: From<K::Error>,
    {
        Ok(Self::of(TicketId::random(), kind.try_into()?))
    }

    /// Carries these bytes.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Goes before tickets with a higher number.
    #[must_use]
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// Runs so long after it was added.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.when = When::In(delay);
        self
    }

    /// Runs at a moment.
    #[must_use]
    pub fn runat(mut self, at: impl Into<Timestamp>) -> Self {
        self.when = When::At(at.into());
        self
    }

    /// Waits in a tube.
    #[must_use]
    pub fn tube(mut self, tube: Label) -> Self {
        self.tube = tube;
        self
    }

    /// Belongs to a group.
    #[must_use]
    pub fn group(mut self, group: Label) -> Self {
        self.group = Some(group);
        self
    }

    /// Is the only pending one with this key.
    #[must_use]
    pub fn unique_key(mut self, key: Label) -> Self {
        self.unique_key = Some(key);
        self
    }

    /// Runs again and again. Its first run is when the schedule first falls due, unless `delay` or
    /// `runat` say otherwise.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(Box::new(repeat));
        self
    }

    /// Checks what its type does not: the size of the payload, and that a ticket which repeats is
    /// in no group (the group would never finish).
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), InvalidTicket> {
        if self.payload.len() > MAX_PAYLOAD {
            return Err(InvalidTicket { problem: "its payload is larger than 16 MiB" });
        }
        if self.repeat.is_some() && self.group.is_some() {
            return Err(InvalidTicket { problem: "it repeats, so no group could wait for it" });
        }
        Ok(())
    }
}
