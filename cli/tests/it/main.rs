//! The command as its users meet it: the built binary, its streams and its exit codes.

// A helper that cannot go on ends its test.
#![allow(clippy::unwrap_used)]

mod command;
mod dev;
mod help;
mod run;
