//! The host's tickets: what it will come back to by itself, and what waits for a person.
use std::time::Duration;

use hersh::kharon::store::{Cursor, Filter, Page};
use hersh::kharon::{Kharon, Label, Options, TicketId, UpdateError};

use super::Host;
use crate::host::HostError;
use crate::host::tickets::{TicketFilter, TicketPage, TicketView};
use crate::host::view::Timestamp;

/// The most tickets on one page.
const PAGE: usize = 500;

fn words(error: impl std::fmt::Display) -> HostError {
    HostError::Tickets(error.to_string())
}

impl Host {
    /// The queue that the host's tickets are in, for its figures ([`Kharon::prometheus`]) and for
    /// looking at it. What changes tickets is better asked of the host: it knows what they are for.
    pub fn kharon(&self) -> &Kharon {
        self.inner.parts.tickets.kharon()
    }

    /// Tickets as they are now.
    ///
    /// # Errors
    /// [`HostError::Invalid`] when the kind is no name of one, [`HostError::Tickets`].
    pub fn tickets(&self, filter: &TicketFilter) -> Result<TicketPage, HostError> {
        let kind = filter.kind.as_deref().map(Label::new).transpose().map_err(|error| {
            HostError::Invalid { field: "kind".to_owned(), reason: format!("is refused: {error}") }
        })?;
        let wanted = Filter { status: filter.status, kind, ..Filter::default() };
        let at_most = filter.limit.unwrap_or(PAGE).clamp(1, PAGE);
        let page = Page { at_most, after: filter.cursor.map(Cursor) };
        let listing = self.kharon().list(&wanted, &page).map_err(words)?;
        let now = Timestamp::now();
        let views = listing.tickets.iter().map(|ticket| TicketView::of(ticket, now));
        let tickets: Vec<_> = views.filter(|ticket| filter.matches(ticket)).collect();
        Ok(TicketPage { count: tickets.len(), tickets, next: listing.next.map(|cursor| cursor.0) })
    }

    /// A ticket as it is now.
    ///
    /// # Errors
    /// [`HostError::NoTicket`], [`HostError::Tickets`].
    pub fn ticket(&self, id: &str) -> Result<TicketView, HostError> {
        let none = || HostError::NoTicket(id.to_owned());
        let name = TicketId::new(id).map_err(|_| none())?;
        let ticket = self.kharon().get(&name).map_err(words)?.ok_or_else(none)?;
        Ok(TicketView::of(&ticket, Timestamp::now()))
    }

    /// Has a ticket worked on at once instead of when it is due. One that failed is about a program
    /// that waits for a person: that program is started.
    ///
    /// # Errors
    /// [`HostError::NoTicket`], [`HostError::TicketConflict`] when it is being worked on,
    /// [`HostError::Tickets`]; as [`Host::start`] where a program is started.
    pub fn retry_ticket(&self, id: &str) -> Result<TicketView, HostError> {
        let ticket = self.ticket(id)?;
        if ticket.running {
            return Err(conflict(id, "is being worked on"));
        }
        if let (Some(program), "failed") = (&ticket.program_id, ticket.status) {
            // Its ticket is laid anew with the start.
            self.start(program)?;
        } else {
            let now = Options::new().delay(Duration::ZERO);
            self.kharon().retry(id, now).map_err(|error| refused(id, &error))?;
        }
        self.ticket(id)
    }

    /// Gives up what a ticket is for: its program is not brought where it should be any more, but
    /// stopped. The ticket goes when that is done.
    ///
    /// # Errors
    /// [`HostError::NoTicket`]; [`HostError::TicketConflict`] for the host's own tickets, which it
    /// cannot do without, and for programs that are being removed; [`HostError::Tickets`]; as
    /// [`Host::stop`].
    pub fn cancel_ticket(&self, id: &str) -> Result<TicketView, HostError> {
        let ticket = self.ticket(id)?;
        let Some(program) = &ticket.program_id else {
            return Err(conflict(id, "is the host's own: it cannot do without"));
        };
        self.stop(program)?;
        // With nothing left to stop, the ticket has gone already.
        self.ticket(id).or(Ok(TicketView { status: "cancelled", ..ticket }))
    }
}

fn conflict(id: &str, reason: &'static str) -> HostError {
    HostError::TicketConflict { id: id.to_owned(), reason }
}

fn refused(id: &str, error: &UpdateError) -> HostError {
    match error {
        UpdateError::NotFound => HostError::NoTicket(id.to_owned()),
        UpdateError::Settled { .. } => conflict(id, "is settled"),
        other => words(other),
    }
}
