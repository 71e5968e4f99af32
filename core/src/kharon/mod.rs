//! Kharon: delayed tickets, in memory or in a database, that are never lost.

mod bell;
pub mod conformance;
mod error;
mod group;
mod name;
mod payload;
pub mod rules;
mod schedule;
pub mod store;
mod ticket;
mod time;

pub use bell::{Bell, Bells};
pub use error::{AddError, GroupError, InvalidTicket, StoreError, StoreFault, UpdateError};
pub use group::{DEFAULT_GROUP_KEEP, Group, MAX_FINALIZERS, NewGroup, Progress};
pub use name::{InvalidName, Label, MAX_NAME, TicketId};
pub use payload::{MAX_PAYLOAD, Payload};
pub use schedule::{CatchUp, MIN_PERIOD, Repeat, Schedule};
pub use store::{MemoryStore, Store};
pub use ticket::{ClaimToken, DEFAULT_NICE, Lease, NewTicket, Status, Ticket, When};
pub use time::{Clock, SystemClock, Timestamp, VirtualClock};
