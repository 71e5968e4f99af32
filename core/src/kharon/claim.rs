//! A ticket in the hands of a handler.
//!
//! It carries the claim's token, and whatever it asks of the store it asks under that token: once the
//! claim is over, it can change nothing any more. It lives on the worker's thread while the handler runs.
//! A settling call returns when the store has it, as durably as the store keeps things.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::error::UpdateError;
use super::handle::Kharon;
use super::options::Options;
use super::store::Change;
use super::ticket::{Status, Ticket};
use super::time::Timestamp;

/// A ticket that a worker has claimed, and what its handler may do with it.
///
/// What a handler does not settle is settled when it returns: Ok is Done, an error or a panic is
/// retried with backoff. Whatever is done under a claim whose time is over is refused with
/// [`UpdateError::StaleClaim`], because somebody else may have the ticket by then.
pub struct Claim {
    ticket: Ticket,
    kharon: Kharon,
    /// When the claim is over by the Kharon's own clock, reckoned from before it was made.
    until: Cell<Timestamp>,
    settled: Cell<bool>,
}

impl Claim {
    pub(super) fn new(ticket: Ticket, kharon: Kharon, until: Timestamp) -> Self {
        Self { ticket, kharon, until: Cell::new(until), settled: Cell::new(false) }
    }

    /// The ticket, as it was when it was claimed.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The Kharon whose worker this is.
    pub fn kharon(&self) -> &Kharon {
        &self.kharon
    }

    /// How long until the claim is over, and others may claim the ticket.
    pub fn remaining(&self) -> Duration {
        self.until.get().since(self.kharon.clock().now())
    }

    /// Whether [`Kharon::stop`] was called, so that there is reason to hurry.
    pub fn is_stopping(&self) -> bool {
        self.kharon.is_stopping()
    }

    /// The work is done. The ticket is kept; one that repeats goes back to pending.
    ///
    /// # Errors
    /// When the claim is over, or the store cannot serve.
    pub fn done(&self, options: impl Into<Options>) -> Result<(), UpdateError> {
        self.settle(options.into().finish(Status::Done, true))
    }

    /// The work is done, and the ticket is removed, unless the options keep it.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn ack(&self, options: impl Into<Options>) -> Result<(), UpdateError> {
        self.settle(options.into().finish(Status::Done, false))
    }

    /// The work failed for good: the ticket becomes a dead letter.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn fail(&self, options: impl Into<Options>) -> Result<(), UpdateError> {
        self.settle(options.into().finish(Status::Failed, true))
    }

    /// The work is no longer wanted. The ticket is removed, unless the options keep it.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn cancel(&self, options: impl Into<Options>) -> Result<(), UpdateError> {
        self.settle(options.into().finish(Status::Cancelled, false))
    }

    /// The ticket is to be tried again, after the delay that the options name.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn retry(&self, options: impl Into<Options>) -> Result<(), UpdateError> {
        self.settle(options.into().retry())
    }

    /// Leaves the ticket claimed when the handler returns, for somebody else to settle, with the
    /// claim (a clone of [`ticket`](Self::ticket)) or without. If nobody does in time, it can be
    /// claimed again.
    pub fn leave(&self) {
        self.settled.set(true);
    }

    /// Lets the claim run for the whole `process_time` again, from now.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn extend(&self) -> Result<(), UpdateError> {
        let lease = self.kharon.settings().process_time;
        let until = self.kharon.clock().now() + lease;
        self.kharon.update((&self.ticket).into(), Change::Extend { lease })?;
        self.until.set(until);
        Ok(())
    }

    fn settle(&self, change: Change) -> Result<(), UpdateError> {
        let result = self.kharon.update((&self.ticket).into(), change);
        match &result {
            // Whether it was settled is not known; the same change when the handler returns would
            // be refused if it was.
            Err(UpdateError::Store(_) | UpdateError::Invalid(_)) => {}
            _ => self.settled.set(true),
        }
        result
    }

    /// Whether nothing is left to settle.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.get()
    }

    pub(super) fn into_ticket(self) -> Ticket {
        self.ticket
    }
}

impl Deref for Claim {
    type Target = Ticket;

    fn deref(&self) -> &Ticket {
        &self.ticket
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.ticket).finish()
    }
}
