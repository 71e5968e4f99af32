//! Tickets: the work that the host has given itself, through Kharon.

use serde::{Deserialize, Serialize};

/// One ticket: also the answer to `POST /tickets/{id}/retry` and `/cancel`, as it is then.
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
    /// Whether it is being worked on.
    #[serde(default)]
    pub running: bool,
    /// How often it was worked on since it last began anew.
    #[serde(default)]
    pub attempts: u32,
    /// Why it was not the last time, or what it waits for; may be empty.
    #[serde(default)]
    pub reason: String,
    /// It is not worked on before this, RFC 3339.
    #[serde(default)]
    pub due_at: String,
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
