//! Kharon: delayed tickets, in memory or in a database, that are never lost.

mod bell;
mod claim;
pub mod conformance;
mod cron;
mod engine;
mod error;
mod group;
mod handle;
mod metrics;
mod name;
mod options;
mod payload;
mod router;
pub mod rules;
mod schedule;
mod settings;
pub mod store;
mod ticket;
mod time;

pub use bell::{Bell, Bells};
pub use claim::Claim;
pub use cron::Cron;
pub use engine::{Report, RunError, Step, Stepper};
pub use error::{AddError, GroupError, InvalidTicket, StoreError, StoreFault, UpdateError};
pub use group::{DEFAULT_GROUP_KEEP, Group, MAX_FINALIZERS, NewGroup, Progress};
pub use handle::Kharon;
pub use metrics::{Count, Metrics};
pub use name::{InvalidName, Label, MAX_NAME, TicketId};
pub use options::{Options, Target};
pub use payload::{MAX_PAYLOAD, Payload};
pub use router::{Handled, HandlerError, Router};
pub use rules::{Backoff, Limit};
pub use schedule::{CatchUp, MIN_PERIOD, Repeat, Schedule};
pub use settings::{Settings, SettingsError};
#[cfg(feature = "kharon-sqlite")]
pub use store::{Durability, SqliteOptions, SqliteStore};
pub use store::{MemoryStore, Store};
pub use ticket::{ClaimToken, DEFAULT_NICE, Lease, NewTicket, Status, Ticket, When};
pub use time::{Clock, SystemClock, Timestamp, VirtualClock};
