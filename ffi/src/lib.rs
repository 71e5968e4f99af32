//! The C ABI of hersh.
//!
//! What C programmers read is `include/hersh.h`, which is generated from the comments here; the
//! conventions that all functions share are `ffi/contract.h`, which becomes its beginning.
//!
//! # Where things are
//! - one file per C type: [`config`], [`token`], [`watcher`], [`report`], [`context`], [`poll`],
//!   [`flow`], and the numbers [`status`], [`state`], [`outcome`];
//! - [`handle`]: ownership. A handle is a number in the clothes of a pointer; it is looked up and
//!   never followed, so that a handle that is stale, foreign or garbage is an error and no crash;
//! - [`text`]: strings that come in and go out; [`callback`]: functions that C hands over;
//! - [`boundary`]: the one place where panics and errors become numbers and words.

#![allow(unsafe_code, reason = "a C ABI reads what C points at")]
#![allow(
    unreachable_pub,
    reason = "what C reaches, Rust does not; the header lists what is public"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "every function relies on the contract at the top of the header and on nothing else"
)]

mod boundary;
mod callback;
mod config;
mod context;
mod error;
mod flow;
mod handle;
mod kharon;
mod managed;
mod outcome;
#[cfg(test)]
mod panics;
mod poll;
mod replay;
mod report;
mod simulation;
mod state;
mod status;
mod text;
mod token;
mod watched;
mod watcher;
