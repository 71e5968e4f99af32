//! The WatcherAPI over a live connection (spec 20).

#[cfg(feature = "sim")]
mod bodies;
#[cfg(all(feature = "journal", feature = "persist"))]
mod canary;
mod errors;
mod events;
mod guarding;
mod living;
mod metrics;
#[cfg(feature = "sim")]
mod openapi;
mod schema;
mod signals;
