//! The WatcherAPI: one watcher, seen and steered over HTTP.
//!
//! Every answer is made from a snapshot that is taken under a short lock and rendered without it,
//! so nothing here waits for the managed function, and the loop never waits for a slow client.
//! The server holds the watcher weakly: it ends with the last handle, and stays readable until
//! then, also after the watcher has stopped.

#[cfg(all(any(test, fuzzing), feature = "sim"))]
pub(crate) mod any_body;
mod bodies;
mod config;
mod error;
mod events;
mod format;
mod metrics;
mod openapi;
mod routes;
mod secrets;
mod server;
mod steer;

pub use config::ApiConfig;
pub use error::ApiError;

pub(crate) use server::Server;
