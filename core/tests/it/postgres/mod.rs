//! The store in PostgreSQL, on a real server.

mod breaking;
mod conformance;
mod counting;
mod listening;
mod migration;
mod moving;
mod server;
mod stepping;
mod trouble;

pub(crate) use server::Schema;
