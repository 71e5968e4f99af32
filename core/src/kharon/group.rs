//! Groups: tickets that are finished together.
//!
//! How a group counts is the affair of the rules, and a store keeps the count in the transaction that
//! settles the ticket: so a finalizer is ready when the last ticket is settled, and not before.

use std::time::Duration;

use super::error::{AddError, GroupError, InvalidTicket};
use super::name::{InvalidName, Label, TicketId};
use super::ticket::NewTicket;
use super::time::Timestamp;

/// How long a finished group is kept unless said otherwise: a day.
pub const DEFAULT_GROUP_KEEP: Duration = Duration::from_secs(24 * 3600);

/// The most finalizers a group may have.
pub const MAX_FINALIZERS: usize = 16;

/// A group that is to be opened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewGroup {
    /// Its name.
    pub name: Label,
    /// Tickets that become ready when the group is finished. Until then they are in the store,
    /// pending, with [`Timestamp::NEVER`] as their time.
    pub finalizers: Vec<NewTicket>,
    /// How long after it is finished the group is forgotten.
    pub expire_in: Duration,
}

impl NewGroup {
    /// A group of a name.
    ///
    /// # Errors
    /// When it cannot be a name.
    pub fn new<N>(name: N) -> Result<Self, InvalidName>
    where
        N: TryInto<Label>,
        InvalidName: From<N::Error>,
    {
        Ok(Self { name: name.try_into()?, finalizers: Vec::new(), expire_in: DEFAULT_GROUP_KEEP })
    }

    /// Runs this ticket when the group is finished. At most [`MAX_FINALIZERS`].
    #[must_use]
    pub fn finalizer(mut self, ticket: NewTicket) -> Self {
        self.finalizers.push(ticket);
        self
    }

    /// Forgets the group so long after it is finished.
    #[must_use]
    pub fn expire_in(mut self, expire_in: Duration) -> Self {
        self.expire_in = expire_in;
        self
    }
}

impl NewGroup {
    /// Checks what its type does not: there are not too many finalizers, each is a ticket that
    /// can be added and does not repeat, none is in this very group (it would wait for itself),
    /// and no two have one id or one unique key.
    ///
    /// # Errors
    /// [`GroupError::Finalizer`], with what is wrong.
    pub fn check(&self) -> Result<(), GroupError> {
        let problem = |problem| Err(GroupError::Finalizer(InvalidTicket { problem }.into()));
        if self.finalizers.len() > MAX_FINALIZERS {
            return problem("a group has at most 16 finalizers");
        }
        for (at, ticket) in self.finalizers.iter().enumerate() {
            ticket.check().map_err(|error| GroupError::Finalizer(error.into()))?;
            if ticket.repeat.is_some() {
                return problem("a finalizer does not repeat");
            }
            if ticket.group.as_ref() == Some(&self.name) {
                return problem("a finalizer in its own group would wait for itself");
            }
            for other in &self.finalizers[..at] {
                if other.id == ticket.id {
                    let id = ticket.id.clone();
                    return Err(GroupError::Finalizer(AddError::Exists { id }));
                }
                if ticket.unique_key.is_some() && other.unique_key == ticket.unique_key {
                    let by = other.id.clone();
                    return Err(GroupError::Finalizer(AddError::KeyTaken { by }));
                }
            }
        }
        Ok(())
    }

    /// Its finalizers as a store adds them: held until the group is finished.
    pub fn into_finalizers(self) -> Vec<NewTicket> {
        self.finalizers.into_iter().map(|ticket| ticket.runat(Timestamp::NEVER)).collect()
    }
}

/// How far the tickets of a group have come. Tickets count in it also after they were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Not settled yet.
    pub pending: u64,
    /// Done, or acknowledged.
    pub done: u64,
    /// Failed for good.
    pub failed: u64,
    /// Cancelled, or deleted while they were pending.
    pub cancelled: u64,
}

impl Progress {
    /// All that were ever added.
    pub const fn total(&self) -> u64 {
        self.pending + self.done + self.failed + self.cancelled
    }
}

/// A group, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its name.
    pub name: Label,
    /// Whether it takes no more tickets.
    pub closed: bool,
    /// How far it has come.
    pub progress: Progress,
    /// The tickets that become ready when it is finished.
    pub finalizers: Vec<TicketId>,
    /// How long after it is finished it is forgotten.
    pub expire_in: Duration,
    /// When it was first closed without a pending ticket. A ticket that is revived afterwards
    /// counts as pending again, but the finalizers are not run again.
    pub finished_at: Option<Timestamp>,
}

impl Group {
    /// An open group without tickets. For stores.
    pub fn bare(name: Label) -> Self {
        Self {
            name,
            closed: false,
            progress: Progress::default(),
            finalizers: Vec::new(),
            expire_in: DEFAULT_GROUP_KEEP,
            finished_at: None,
        }
    }
}
