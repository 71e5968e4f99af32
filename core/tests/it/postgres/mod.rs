//! The store in PostgreSQL, on a real server.

mod conformance;
mod migration;
mod server;
mod trouble;

pub(crate) use server::Schema;
