//! The WatcherAPI over a live connection (spec 20).

#[cfg(feature = "sim")]
mod bodies;
mod errors;
mod events;
mod guarding;
mod living;
mod metrics;
#[cfg(feature = "sim")]
mod openapi;
mod signals;
