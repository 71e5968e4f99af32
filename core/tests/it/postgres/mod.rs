//! The store in PostgreSQL, on a real server.

mod conformance;
mod migration;
mod server;
mod trouble;
