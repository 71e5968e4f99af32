//! Tickets: the work that the host has given itself, through Kharon.

use serde::{Deserialize, Serialize};

/// One ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketBody {
    /// What tells it from every other.
    pub ticket_id: String,
    /// What is to be done, as `reconcile`.
    pub kind: String,
    /// `pending`, `done`, `failed` or `cancelled`.
    pub status: String,
    /// The program that it is about; missing where it is about none in particular.
    #[serde(default)]
    pub program_id: Option<String>,
    /// How often it was tried since it last began anew.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last try failed; missing while none did.
    #[serde(default)]
    pub error_msg: Option<String>,
    /// Whether somebody is at work on it.
    #[serde(default)]
    pub running: bool,
    /// Whether it comes again after it was done.
    #[serde(default)]
    pub repeats: bool,
    /// It is not tried before this, RFC 3339.
    #[serde(default)]
    pub run_at: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// RFC 3339.
    #[serde(default)]
    pub updated_at: String,
}

/// The answer to `GET /tickets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketsBody {
    /// The tickets of this page.
    pub tickets: Vec<TicketBody>,
    /// How many are in `tickets`.
    pub count: usize,
    /// Where the next page begins (`?cursor=`); missing on the last one. A page may be short, or
    /// empty, and still not be the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The answer to `POST /tickets/{id}/retry` and `/cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketActionBody {
    /// The ticket.
    pub ticket_id: String,
    /// `pending` or `cancelled`.
    pub status: String,
    /// The same in words.
    pub message: String,
}
