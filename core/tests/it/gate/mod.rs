//! The gate against live clients, friendly and hostile.

mod client;
mod serving;
