//! The command as its users meet it: the built binary, its streams and its exit codes; and the host
//! from outside.

// A helper that cannot go on ends its test.
#![allow(clippy::unwrap_used)]

mod book;
mod command;
mod dev;
mod docker_lies;
mod documents;
mod help;
mod host_fake;
mod host_process;
mod host_recovery;
mod host_redeploy;
mod host_silence;
mod host_tickets;
mod init;
mod inside;
mod real;
mod replay;
mod run;
mod schema;
#[allow(dead_code, reason = "not every module needs all of it")]
mod support;
