//! The gate against live clients, friendly and hostile.

pub(crate) mod client;
mod crowds;
mod ending;
mod hostile;
mod mutations;
mod serving;
mod streams;
