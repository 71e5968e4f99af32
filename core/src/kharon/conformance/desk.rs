//! The store under check, with the few sentences that checks are written in.

use std::sync::Arc;
use std::time::Duration;

use super::Subject;
use crate::kharon::error::{AddError, UpdateError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::store::{Added, Addition, Change, IfExists, Poll, Polled, Store, Update};
use crate::kharon::ticket::{ClaimToken, NewTicket, Status, Ticket};

/// A fresh store under check.
pub(super) struct Desk<'a> {
    subject: &'a dyn Subject,
    pub(super) store: Arc<dyn Store>,
}

/// A new ticket of the type `work`.
pub(super) fn ticket(id: &str) -> NewTicket {
    NewTicket::new(id, "work").unwrap()
}

pub(super) fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// The change that settles a ticket and keeps it.
pub(super) fn finish(status: Status) -> Change {
    Change::Finish { status, keep: true, expire_in: None, reason: None, payload: None }
}

/// The change that lets a ticket wait again.
pub(super) fn retry(delay: Duration) -> Change {
    Change::Retry { delay, nice: None, reason: None, payload: None }
}

/// The ids of tickets, in their order.
pub(super) fn ids(tickets: &[Ticket]) -> Vec<&str> {
    tickets.iter().map(|ticket| ticket.id.as_str()).collect()
}

impl<'a> Desk<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        Self { subject, store: subject.fresh() }
    }

    /// So many units of time.
    pub(super) fn units(&self, units: u32) -> Duration {
        self.subject.unit() * units
    }

    /// Lets so many units of time pass.
    pub(super) fn pass(&self, units: u32) {
        self.subject.pass(&*self.store, self.units(units));
    }

    pub(super) fn try_add(
        &self,
        ticket: NewTicket,
        if_exists: IfExists,
    ) -> Result<Added, AddError> {
        let mut added = self.store.add(vec![Addition { ticket, if_exists }]).unwrap();
        assert_eq!(added.len(), 1, "one answer for one ticket");
        added.remove(0)
    }

    pub(super) fn add(&self, ticket: NewTicket) {
        assert_eq!(self.try_add(ticket, IfExists::Refuse).unwrap(), Added::New);
    }

    pub(super) fn find(&self, id: &str) -> Option<Ticket> {
        self.store.get(&TicketId::new(id).unwrap()).unwrap()
    }

    pub(super) fn get(&self, id: &str) -> Ticket {
        self.find(id).unwrap_or_else(|| panic!("the ticket {id} is gone"))
    }

    /// Claims up to so many tickets of the tube `default`, for ten units.
    pub(super) fn claim(&self, at_most: usize) -> Vec<Ticket> {
        self.poll(&self.poll_of(at_most)).tickets
    }

    pub(super) fn poll_of(&self, at_most: usize) -> Poll {
        let tubes = vec![Label::default_tube()];
        Poll { tubes, at_most, lease: self.units(10), budgets: Vec::new() }
    }

    pub(super) fn poll(&self, poll: &Poll) -> Polled {
        let polled = self.store.poll_pending(poll).unwrap();
        assert!(polled.tickets.len() <= poll.at_most, "more than was asked for");
        for ticket in &polled.tickets {
            let lease = ticket.lease.expect("a claimed ticket has a lease");
            assert!(lease.until > ticket.mtime, "a lease runs for a time: {ticket:?}");
            assert_eq!(ticket.status, Status::Pending);
            assert!(ticket.attempts > 0, "a claim is an attempt: {ticket:?}");
        }
        polled
    }

    pub(super) fn update(
        &self,
        id: &str,
        token: Option<ClaimToken>,
        change: Change,
    ) -> Result<(), UpdateError> {
        let update = Update { id: TicketId::new(id).unwrap(), token, change };
        let mut updated = self.store.update(vec![update]).unwrap();
        assert_eq!(updated.len(), 1, "one answer for one change");
        updated.remove(0)
    }
}
