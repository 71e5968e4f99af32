//! Reactive watchers: a *managed function* that runs again whenever a message arrives, a polled
//! value changes, a channel delivers an event or a timer fires; never twice at once, always in a
//! deterministic order, and open to inspection while it runs.
//!
//! ```
//! use std::time::Duration;
//! use hersh::{ManagedError, Watcher};
//!
//! let watcher = Watcher::builder().name("counter").build()?;
//! watcher.manage("count", |message, ctx| {
//!     let tick = ctx.watch_tick("tick", Duration::from_secs(1))?;
//!     if tick.triggered() {
//!         ctx.update_value("ticks", |ticks: Option<u64>| Ok(ticks.unwrap_or(0) + 1))?;
//!     }
//!     match message.map(|message| message.content()) {
//!         Some("stop") => Err(ManagedError::stop("the user asked")),
//!         _ => Ok(()),
//!     }
//! })?;
//! watcher.start()?;
//! watcher.send_message("stop")?;
//! watcher.wait(None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where things are
//! - [`Watcher`], [`Context`] and their companions: what a program uses.
//! - [`sim`]: the same watcher under a virtual clock, to test a program without waiting.
//! - [`http`]: the connection gate, which serves the WatcherAPI.
//!
//! Inside, one pure reducer (`brain`) is driven by two bodies: threads (`runtime`) and the
//! simulation (`sim`).
//!
//! # Threads
//! Everything here is synchronous; no async runtime is linked. A running watcher has one thread
//! that runs its managed function, one that keeps time, and as many as slow polls need.

// A modelled channel stands in the place of crossbeam's, which is public.
#![cfg_attr(all(test, shuttle), expect(private_interfaces))]

#[cfg(feature = "api")]
mod api;
mod brain;
mod crew;
mod drive;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "api")]
pub mod http;
#[cfg(feature = "journal")]
mod journal;
#[cfg(feature = "kharon")]
pub mod kharon;
mod later;
mod observe;
#[cfg(feature = "persist")]
mod persist;
mod runtime;
#[cfg(test)]
mod scale;
#[cfg(all(test, shuttle))]
mod schedules;
#[cfg(feature = "sim")]
pub mod sim;
mod sync;
mod watcher;

#[cfg(feature = "api")]
pub use api::{ApiConfig, ApiError};
pub use brain::{
    Cause, Change, Counters, Data, Ending, Histogram, Message, RecoveryPolicy, State, StateFault,
    Time, Transition, Trigger, Value, WatchKind,
};
#[cfg(feature = "journal")]
pub use journal::{Divergence, Journal, JournalError, Replay, ReplayError, Replayed, replay};
pub use observe::{
    LogEntry, LogKind, MemoEntry, QueueDepths, SignalClass, SignalEntry, Stats, UnknownLogKind,
    WatchedEntry,
};
#[cfg(feature = "persist")]
pub use persist::{Persist, PersistError, PersistWhen};
pub use watcher::{
    Builder, CancelToken, Config, ConfigError, Context, ManagedError, MemoError, SendError,
    StartError, StopError, StopOptions, StopReport, Tick, ValueError, WatchError, Watched, Watcher,
    WeakWatcher,
};

/// The examples of the README are run with those of the documentation.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So are those of the chapter about the watcher.
#[cfg(all(doctest, feature = "api", feature = "journal", feature = "persist", feature = "sim"))]
#[doc = include_str!("../README.md")]
struct Chapter;
