//! Why a host cannot do what it was asked.
use std::io;
use std::path::PathBuf;

use super::storage::SourceError;
use crate::program::{IdError, ProgramId, Refusal, State};

/// Why a host cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is no such program.
    #[error("there is no program {0}")]
    NotFound(ProgramId),
    /// There is no such token.
    #[error("there is no token {0:?}")]
    NoToken(String),
    /// The program is in a state that cannot.
    #[error("program {id} is {state}: {refusal}")]
    Conflict {
        /// Which program.
        id: ProgramId,
        /// Its state.
        state: State,
        /// Why that state cannot.
        refusal: Refusal,
    },
    /// The program is not Ready, so nothing answers in its name.
    #[error("program {id} is {state}, not Ready{}", because(reason.as_deref()))]
    NotReady {
        /// Which program.
        id: ProgramId,
        /// Its state.
        state: State,
        /// What went wrong with it, if anything.
        reason: Option<String>,
    },
    /// The program publishes nothing.
    #[error("program {0} has no network: its WatcherAPI cannot be reached")]
    NoNetwork(ProgramId),
    /// Another program of the same owner has the name.
    #[error("the name {name:?} is taken by program {holder}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        holder: ProgramId,
    },
    /// An identifier is not one.
    #[error(transparent)]
    InvalidId(#[from] IdError),
    /// A field of a request cannot be taken.
    #[error("{field} {reason}")]
    Invalid {
        /// Which field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A source file cannot be taken; nothing was written.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A bound of the host is reached.
    #[error("the host is full: {what} (at most {limit})")]
    Full {
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Too much waits for this program already.
    #[error("program {0} has too many requests waiting: try again later")]
    Busy(ProgramId),
    /// Another host works on the data folder.
    #[error("another host{} works on {}", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default(), path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The other host's process, if it said.
        holder: Option<u32>,
    },
    /// The host may not be started as it was configured.
    #[error("{0}")]
    Config(String),
    /// The engine did not do what it was asked.
    #[error("{0}")]
    Engine(String),
    /// A file or folder could not be read or written.
    #[error("{what} ({}): {source}", path.display())]
    Storage {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The registry could not be read or written.
    #[error("the registry: {0}")]
    Registry(String),
    /// There is no such ticket.
    #[error("there is no ticket {0:?}")]
    NoTicket(String),
    /// The ticket is not one with which this can be done.
    #[error("ticket {id:?} {reason}")]
    TicketConflict {
        /// Which ticket.
        id: String,
        /// Why it cannot.
        reason: &'static str,
    },
    /// The tickets could not be read or written.
    #[error("the tickets: {0}")]
    Tickets(String),
    /// The host is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

fn because(reason: Option<&str>) -> String {
    reason.map(|words| format!(": {words}")).unwrap_or_default()
}
