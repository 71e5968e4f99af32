//! What the server's errors mean to whoever uses the store.

use postgres::Error;
use postgres::error::SqlState;

use super::pool::Fault;
use crate::kharon::error::{StoreError, StoreFault};

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy => Self::new(
                StoreFault::Unavailable,
                "all connections to PostgreSQL stayed in use for as long as one may wait",
            ),
            Fault::Away(error) => {
                Self::new(StoreFault::Unavailable, "PostgreSQL cannot be reached")
                    .with_cause(Words(error))
            }
            Fault::Unknown(error) => Self::new(
                StoreFault::Unavailable,
                "the connection to PostgreSQL broke before it answered",
            )
            .with_cause(Words(error)),
            Fault::Conflict(error) => {
                Self::new(StoreFault::Unavailable, "others kept changing the same tickets")
                    .with_cause(Words(error))
            }
            Fault::Senseless(error) => error,
            Fault::Undone => Self::new(StoreFault::Broken, "nothing was done"),
            Fault::Refused(error) => {
                let (fault, message) = meaning(&error);
                Self::new(fault, message).with_cause(Words(error))
            }
        }
    }
}

fn meaning(error: &Error) -> (StoreFault, &'static str) {
    let Some(code) = error.code() else {
        return (StoreFault::Broken, "PostgreSQL was not understood");
    };
    if *code == SqlState::DISK_FULL {
        return (StoreFault::Full, "PostgreSQL has no room left");
    }
    if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
        return (StoreFault::Corrupt, "PostgreSQL found its data damaged");
    }
    let transient = [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::OUT_OF_MEMORY,
        // A server that was the primary, or is to become it.
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    if transient.contains(code) || code.code().starts_with("08") {
        return (StoreFault::Unavailable, "PostgreSQL cannot do this now");
    }
    (StoreFault::Broken, "PostgreSQL refused")
}

/// A row that holds what no version of this store wrote.
pub(super) fn corrupt(problem: &str) -> StoreError {
    StoreError::new(StoreFault::Corrupt, format!("the table of tickets holds {problem}"))
}

/// The client's own words leave out what the server said.
#[derive(Debug)]
struct Words(Error);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.as_db_error(), std::error::Error::source(&self.0)) {
            (Some(said), _) => write!(f, "{} ({})", said.message(), said.code().code()),
            (None, Some(source)) => write!(f, "{}: {source}", self.0),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for Words {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
