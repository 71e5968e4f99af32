//! What a store is asked, and what it answers.

use std::time::Duration;

use crate::kharon::error::{StoreError, UpdateError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::payload::Payload;
use crate::kharon::ticket::{ClaimToken, NewTicket, Status, Ticket};

/// What to do when there is a ticket with the id of a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Refuse the new one: [`AddError::Exists`](crate::kharon::AddError::Exists).
    #[default]
    Refuse,
    /// Delete the old one, whatever its state; a claim of it is void.
    Replace,
    /// Keep the old one as it is. A unique key that is taken counts as well.
    Keep,
}

/// A ticket to add.
#[derive(Clone, Debug, PartialEq)]
pub struct Addition {
    /// The ticket.
    pub ticket: NewTicket,
    /// What to do when there is one with its id.
    pub if_exists: IfExists,
}

/// How a ticket was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It took the place of an older one.
    Replaced,
    /// It was not: this one is there already, with the same id or the same unique key.
    Kept(TicketId),
}

/// A change to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The ticket to change.
    pub id: TicketId,
    /// The claim under which it is changed. Without one the change applies whoever has the ticket,
    /// and a claim of it is void afterwards.
    pub token: Option<ClaimToken>,
    /// What to change.
    pub change: Change,
}

/// What to change. See [`rules::apply`](crate::kharon::rules::apply) for exactly what each does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Settles a pending ticket. One that repeats goes back to pending instead, unless cancelled.
    Finish {
        /// Done, Failed or Cancelled.
        status: Status,
        /// Whether the ticket stays in the store.
        keep: bool,
        /// How long it stays; without end unless said.
        expire_in: Option<Duration>,
        /// Why it failed or was cancelled.
        reason: Option<Box<str>>,
        /// A new payload, such as a result.
        payload: Option<Payload>,
    },
    /// Makes a pending ticket wait again.
    Retry {
        /// How long.
        delay: Duration,
        /// A new place in the order.
        nice: Option<i32>,
        /// Why.
        reason: Option<Box<str>>,
        /// A new payload, such as how far it came.
        payload: Option<Payload>,
    },
    /// Gives a ticket back that was claimed but not begun: the attempt does not count. Needs a
    /// claim.
    Release,
    /// Lets the lease of a claim run so long from now. Needs a claim.
    Extend {
        /// How long.
        lease: Duration,
    },
    /// Moves a ticket that repeats to its next time, without running it. Needs a claim.
    Skip,
    /// Makes a failed or cancelled ticket pending again, with no attempts.
    Revive {
        /// How long it waits.
        delay: Duration,
    },
    /// Removes a ticket in whatever state.
    Delete,
}

/// A request to claim tickets.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// The tubes to look into. Tickets of all of them go in one order. None: there is nothing.
    pub tubes: Vec<Label>,
    /// The most tickets to claim.
    pub at_most: usize,
    /// How long the claims run.
    pub lease: Duration,
    /// Kinds of which only so many may be claimed now, perhaps none. Other kinds have no limit.
    pub budgets: Vec<(Label, usize)>,
}

impl Poll {
    /// How many of a kind may be claimed.
    pub fn budget(&self, kind: &Label) -> usize {
        let limited = self.budgets.iter().find(|(limited, _)| limited == kind);
        limited.map_or(self.at_most, |(_, budget)| (*budget).min(self.at_most))
    }
}

/// What a poll brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polled {
    /// The tickets, in order, each with its lease.
    pub tickets: Vec<Ticket>,
    /// How long until the next ticket of these tubes that is not ready now may be: its `runat`, or
    /// the end of its lease. `None` when there is none. Says nothing of tickets that are ready but
    /// were not claimed: there may be some when `tickets` is as long as was asked, or a budget was
    /// used up.
    pub next_in: Option<Duration>,
}

/// What came of changing tickets and claiming others in one call.
#[derive(Clone, Debug)]
pub struct Turn {
    /// As [`Store::update`](super::Store::update) answers.
    pub updated: Result<Vec<Result<(), UpdateError>>, StoreError>,
    /// As [`Store::poll_pending`](super::Store::poll_pending) answers.
    pub polled: Result<Polled, StoreError>,
}

/// What an expiry brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many tickets were removed.
    pub removed: usize,
    /// How long until the next one is to be removed; zero when more are due now.
    pub next_in: Option<Duration>,
}

/// Which tickets to list: those that match in everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this status.
    pub status: Option<Status>,
    /// Of this type.
    pub kind: Option<Label>,
    /// Of this tube.
    pub tube: Option<Label>,
    /// Of this group.
    pub group: Option<Label>,
}

impl Filter {
    /// Whether a ticket matches.
    pub fn matches(&self, ticket: &Ticket) -> bool {
        self.status.is_none_or(|status| status == ticket.status)
            && self.kind.as_ref().is_none_or(|kind| *kind == ticket.kind)
            && self.tube.as_ref().is_none_or(|tube| *tube == ticket.tube)
            && self.group.as_ref().is_none_or(|group| Some(group) == ticket.group.as_ref())
    }
}

/// Where a listing goes on. Of use only to the store it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// Which part of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The most tickets to list.
    pub at_most: usize,
    /// Where the part before ended.
    pub after: Option<Cursor>,
}

impl Page {
    /// The first part, of so many.
    pub const fn first(at_most: usize) -> Self {
        Self { at_most, after: None }
    }

    /// The part after a cursor.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

/// A part of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The tickets.
    pub tickets: Vec<Ticket>,
    /// Where it goes on; `None` at the end. A part may be short, or empty, and still go on.
    pub next: Option<Cursor>,
}

/// How many tickets a store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Pending ones, claimed or not.
    pub pending: u64,
    /// Those of the pending ones that are under a lease which still runs, as far as the store has
    /// noticed its end.
    pub claimed: u64,
    /// Done ones that were kept.
    pub done: u64,
    /// Failed ones: the dead letters.
    pub failed: u64,
    /// Cancelled ones that were kept.
    pub cancelled: u64,
}

impl StoreStats {
    /// All tickets.
    pub const fn total(&self) -> u64 {
        self.pending + self.done + self.failed + self.cancelled
    }
}
