//! Where tickets are kept.
//!
//! A [`Store`] is what a [`Kharon`](crate::kharon::Kharon) stands on. Whoever writes one finds what
//! each operation does to one ticket in [`rules`](crate::kharon::rules), as pure functions, and what
//! is expected of the whole in [`conformance`](crate::kharon::conformance), as checks to run.

mod memory;
mod ops;
#[cfg(feature = "kharon-postgres")]
pub mod postgres;
#[cfg(feature = "kharon-sqlite")]
mod sqlite;

pub use memory::MemoryStore;
pub use ops::{
    Added, Addition, Change, Cursor, Expired, Filter, IfExists, Listing, Page, Poll, Polled,
    StoreStats, Turn, Update,
};
#[cfg(feature = "kharon-sqlite")]
pub use sqlite::{Durability, SqliteOptions, SqliteStore};

use std::sync::Arc;

use super::bell::Bell;
use super::error::{AddError, GroupError, StoreError, UpdateError};
use super::group::{Group, NewGroup};
use super::name::{Label, TicketId};
use super::ticket::Ticket;

/// Keeps tickets.
///
/// # What every store promises
/// - **Time is the store's own.** No call says what time it is; delays and leases are durations,
///   which the store adds to its clock. So all users of one store agree on the time.
/// - **Each operation on one ticket is atomic**, and a durable store has made it durable when the
///   call returns. Operations of one batch are independent: each succeeds or is refused by itself,
///   in the order of the batch, a later one seeing what an earlier one did. Only a [`StoreError`]
///   concerns the whole batch, and leaves open which of its operations took place.
/// - **What an operation does to a ticket is what [`rules`](crate::kharon::rules) says.** This
///   includes that a finished ticket which repeats goes back to pending, due at its next time.
/// - **Tokens never repeat**, not even for a ticket that was deleted and added again.
/// - **Ready tickets go by `(nice, runat)`**, and among equals in the order in which they were
///   added.
///
/// Calls may come from any number of threads at once and may block; none may be called from inside
/// a store's own callbacks.
pub trait Store: Send + Sync + 'static {
    /// Adds tickets. Rings the [bells](Self::hang) when one of them is ready, or due before all
    /// others that wait; ringing in other cases does no harm.
    ///
    /// # Errors
    /// As the type says; per ticket where the ticket is at fault.
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError>;

    /// The ticket of an id.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError>;

    /// Changes tickets. Rings the bells when one of them, or the finalizer of a group that
    /// finishes by this, becomes ready, or due before all others that wait.
    ///
    /// # Errors
    /// As the type says; per ticket where the change does not apply.
    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError>;

    /// Claims up to so many ready tickets: pending, `runat` reached, under no lease that still
    /// runs. Costs `O((kinds + at_most) · log n)`, never a scan; a ticket whose time has come since
    /// the last poll may add its own `O(log n)` once.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError>;

    /// Changes tickets, and then claims some: what a worker that comes back with its results wants.
    /// Nothing but an [`update`](Self::update) and a [`poll_pending`](Self::poll_pending) after it,
    /// which is what this does unless a store can do both in one transaction or one journey.
    fn turn(&self, updates: Vec<Update>, poll: &Poll) -> Turn {
        let updated = self.update(updates);
        Turn { updated, polled: self.poll_pending(poll) }
    }

    /// Removes up to so many tickets whose `expires_at` is reached, and groups that are finished
    /// for longer than their `expire_in` and have no pending (revived) ticket.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError>;

    /// A page of the tickets that match. A ticket that is there, and matches, from the first page to
    /// the last is listed exactly once; in which order is up to the store. May be a scan, but must
    /// not keep others waiting for the whole of it.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError>;

    /// How many tickets there are. May be a scan; the stores of this crate count tickets as they come
    /// and go, so that it costs the same however many there are.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn stats(&self) -> Result<StoreStats, StoreError>;

    /// Opens a group, adding its finalizers, which wait until it is finished.
    ///
    /// # Errors
    /// When there is one with this name, or a finalizer cannot be added; nothing is changed then.
    fn open_group(&self, group: NewGroup) -> Result<(), GroupError>;

    /// Takes no more tickets into a group, and finishes it if none is pending. Closing it again
    /// changes nothing.
    ///
    /// # Errors
    /// When there is none, or the store cannot serve.
    fn close_group(&self, name: &Label) -> Result<(), GroupError>;

    /// The group of a name.
    ///
    /// # Errors
    /// When the store cannot serve.
    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError>;

    /// Forgets a group that has no pending tickets. Its tickets stay; its finalizers go, if they
    /// still wait for it.
    ///
    /// # Errors
    /// When there is none, when it has pending tickets, or the store cannot serve.
    fn delete_group(&self, name: &Label) -> Result<(), GroupError>;

    /// Rings this bell from now on. See [`Bells`](crate::kharon::Bells).
    fn hang(&self, bell: &Arc<Bell>);

    /// Whether an operation waits for a disk or a network, so that it pays to gather several into
    /// one call.
    fn prefers_batches(&self) -> bool {
        true
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        (**self).add(additions)
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        (**self).get(id)
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        (**self).update(updates)
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        (**self).poll_pending(poll)
    }

    fn turn(&self, updates: Vec<Update>, poll: &Poll) -> Turn {
        (**self).turn(updates, poll)
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        (**self).expire_tickets(at_most)
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        (**self).list(filter, page)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        (**self).stats()
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        (**self).open_group(group)
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        (**self).close_group(name)
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        (**self).group(name)
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        (**self).delete_group(name)
    }

    fn hang(&self, bell: &Arc<Bell>) {
        (**self).hang(bell);
    }

    fn prefers_batches(&self) -> bool {
        (**self).prefers_batches()
    }
}
