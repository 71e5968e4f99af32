//! Tickets as clients see them.
use hersh::kharon::{Status, Ticket};
use serde::Serialize;

use super::program_of;
use crate::host::view::Timestamp;
use crate::program::{ProgramId, UserId};

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketView {
    /// Its name.
    pub ticket_id: String,
    /// What it does: `reconcile`, `health`, `expire-images` or `rotate-logs`.
    pub kind: String,
    /// The program that it is about; none for the host's own.
    pub program_id: Option<ProgramId>,
    /// `pending`, `done`, `failed` or `cancelled`. A failed one waits for a person.
    pub status: &'static str,
    /// Whether it is being worked on.
    pub running: bool,
    /// How often it was worked on since it was laid, brought back, or fell due by its schedule.
    pub attempts: u32,
    /// Not before this is it worked on.
    pub due_at: Timestamp,
    /// Why it was not the last time, or what it waits for.
    pub reason: String,
    /// When it was laid.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// Which tickets to list, and which page of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketFilter {
    /// About programs of this owner alone; with it the host's own are left out.
    pub user: Option<UserId>,
    /// About this program alone.
    pub program: Option<ProgramId>,
    /// Of this kind alone.
    pub kind: Option<String>,
    /// Of this status alone.
    pub status: Option<Status>,
    /// At most this many; 500 without it and above it.
    pub limit: Option<usize>,
    /// Those after this page: the last one's [`next`](TicketPage::next).
    pub cursor: Option<u64>,
}

/// One page of tickets, in the order in which they were laid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketPage {
    /// The tickets.
    pub tickets: Vec<TicketView>,
    /// How many are on this page.
    pub count: usize,
    /// Where the next page begins, if there is one. A page may be short, or empty, and still have
    /// a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

impl TicketFilter {
    /// Whether a ticket matches in what the store does not look at.
    pub(in crate::host) fn matches(&self, ticket: &TicketView) -> bool {
        let program = ticket.program_id.as_ref();
        self.program.as_ref().is_none_or(|wanted| program == Some(wanted))
            && self.user.as_ref().is_none_or(|user| program.is_some_and(|id| id.user() == *user))
    }
}

impl TicketView {
    pub(in crate::host) fn of(ticket: &Ticket, now: Timestamp) -> Self {
        let moment = |at: hersh::kharon::Timestamp| Timestamp(at.as_micros() / 1000);
        let leased = ticket.lease.is_some_and(|lease| moment(lease.until) > now);
        Self {
            ticket_id: ticket.id.to_string(),
            kind: ticket.kind.to_string(),
            program_id: program_of(&ticket.id),
            status: ticket.status.as_str(),
            running: ticket.status == Status::Pending && leased,
            attempts: ticket.attempts,
            due_at: moment(ticket.runat),
            reason: ticket.error_reason.as_deref().unwrap_or_default().to_owned(),
            created_at: moment(ticket.ctime),
            updated_at: moment(ticket.mtime),
        }
    }
}
