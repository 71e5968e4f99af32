//! Kharon in Python.

#![allow(clippy::needless_pass_by_value, reason = "arguments come as PyO3 makes them")]

mod asking;
mod claims;
mod clock;
mod errors;
mod group;
mod handle;
mod reading;
mod router;
mod rules;
mod settings;
mod store;
mod stores;
mod suite;
mod ticket;

pub(crate) use asking::{
    Addition, Change, Expired, Filter, Listing, Poll, Polled, StoreStats, Update,
};
pub(crate) use claims::Claim;
pub(crate) use clock::{Bell, Bells, VirtualClock};
pub(crate) use group::Group;
pub(crate) use handle::{Kharon, KharonReport, Stepper};
pub(crate) use rules::{
    admit, apply, claim, close_group, count, free_finalizer, holds, join_group, ready_at,
};
pub(crate) use stores::{MemoryStore, SqliteStore, open_postgres};
pub(crate) use suite::conformance;
pub(crate) use ticket::{Ticket, random_id};
