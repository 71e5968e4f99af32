//! What can go wrong: one small type per family of operations.
//!
//! A fault of the store says whether trying again may help, and leaves open whether the call had its
//! effect; all others say that it had none.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::name::{InvalidName, TicketId};
use super::ticket::Status;

/// A ticket, a group or a schedule that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTicket {
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for InvalidTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ticket cannot be added: {}", self.problem)
    }
}

impl Error for InvalidTicket {}

/// Why a store cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreFault {
    /// It cannot be reached, or is too busy. The same call may succeed later.
    Unavailable,
    /// There is no room left. The same call succeeds once there is.
    Full,
    /// It is not a store of tickets, and was left as it is.
    Foreign,
    /// It was written by a later version, and was left as it is.
    TooNew,
    /// What it holds is damaged. Nothing of it was removed.
    Corrupt,
    /// It refused for a reason that trying again will not remove.
    Broken,
}

impl StoreFault {
    /// Whether the same call may succeed later.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Full)
    }
}

/// A store that could not serve. Whether the call had an effect is then unknown, unless the store
/// says otherwise; [`Kharon`](crate::kharon::Kharon) never takes such a call as acknowledged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreError {
    /// What kind of trouble it is.
    pub fault: StoreFault,
    /// What happened, for a person.
    pub message: String,
    /// The error below.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// Trouble, in words.
    pub fn new(fault: StoreFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), cause: None }
    }

    /// Trouble, with the error that it comes from.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Why a ticket was not added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AddError {
    /// There is a ticket with this id.
    Exists {
        /// The id.
        id: TicketId,
    },
    /// A pending ticket has this unique key.
    KeyTaken {
        /// The ticket that has it.
        by: TicketId,
    },
    /// There is no such group.
    NoGroup,
    /// The group takes no more tickets.
    GroupClosed,
    /// A name that cannot be one.
    Name(InvalidName),
    /// The ticket makes no sense.
    Invalid(InvalidTicket),
    /// The store could not serve: the ticket may have been added, or not.
    Store(StoreError),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { id } => write!(f, "there is a ticket with the id {id}"),
            Self::KeyTaken { by } => write!(f, "the pending ticket {by} has this unique key"),
            Self::NoGroup => f.write_str("there is no such group"),
            Self::GroupClosed => f.write_str("the group takes no more tickets"),
            Self::Name(name) => name.fmt(f),
            Self::Invalid(ticket) => ticket.fmt(f),
            Self::Store(store) => write!(f, "the ticket was not acknowledged: {store}"),
        }
    }
}

impl Error for AddError {}

impl From<StoreError> for AddError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<InvalidName> for AddError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

impl From<InvalidTicket> for AddError {
    fn from(error: InvalidTicket) -> Self {
        Self::Invalid(error)
    }
}

/// Why a ticket was not changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UpdateError {
    /// There is no such ticket.
    NotFound,
    /// The claim is void: its time has passed, the ticket was claimed again, or it was settled.
    StaleClaim,
    /// The ticket is settled already.
    Settled {
        /// How.
        status: Status,
    },
    /// Only a failed or cancelled ticket can be revived, and this one is not.
    NotDead {
        /// How it stands.
        status: Status,
    },
    /// The ticket cannot be pending again: another pending one has its unique key now.
    KeyTaken {
        /// The ticket that has it.
        by: TicketId,
    },
    /// The new payload is larger than 16 MiB.
    Invalid(InvalidTicket),
    /// A name that cannot be one.
    Name(InvalidName),
    /// The store could not serve: the ticket may have been changed, or not.
    Store(StoreError),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such ticket"),
            Self::StaleClaim => f.write_str("the claim is void: the ticket went on without it"),
            Self::Settled { status } => write!(f, "the ticket is settled already: {status}"),
            Self::NotDead { status } => write!(f, "the ticket is {status}, not dead"),
            Self::KeyTaken { by } => write!(f, "the pending ticket {by} has its unique key now"),
            Self::Invalid(ticket) => ticket.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Store(store) => write!(f, "the change was not acknowledged: {store}"),
        }
    }
}

impl Error for UpdateError {}

impl From<StoreError> for UpdateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<InvalidName> for UpdateError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

/// Why a group was not opened, closed or deleted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GroupError {
    /// There is a group with this name.
    Exists,
    /// There is no such group.
    NotFound,
    /// It cannot be forgotten while it has pending tickets.
    Pending {
        /// How many.
        pending: u64,
    },
    /// A name that cannot be one.
    Name(InvalidName),
    /// One of its finalizers cannot be added.
    Finalizer(AddError),
    /// The store could not serve.
    Store(StoreError),
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("there is a group with this name"),
            Self::NotFound => f.write_str("there is no such group"),
            Self::Pending { pending } => {
                write!(f, "the group cannot be forgotten: {pending} of its tickets are pending")
            }
            Self::Name(name) => name.fmt(f),
            Self::Finalizer(error) => write!(f, "a finalizer cannot be added: {error}"),
            Self::Store(store) => write!(f, "the group was not acknowledged: {store}"),
        }
    }
}

impl Error for GroupError {}

impl From<InvalidName> for GroupError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

impl From<StoreError> for GroupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
