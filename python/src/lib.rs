//! The native half of the Python package `hersh`.
//!
//! # The rules that keep it free of deadlocks
//! 1. Whoever calls into the core from Python detaches from the interpreter first: the core takes
//!    locks and waits. The one exception is sending a message without waiting for room.
//! 2. No Python code runs while a lock of the core is held: values compare by identity there (see
//!    [`value`]), and a Python object that is dropped there is released later by `PyO3`.
//! 3. A thread of a watcher enters the interpreter through [`interpreter::enter`] alone, which
//!    turns it away once the interpreter is ending.

#![allow(clippy::doc_markdown, reason = "what Python shows is written for its readers")]
#![allow(unsafe_code, reason = "calls of Python's C API that PyO3 has no safe form of")]

mod callbacks;
mod channel;
mod config;
mod context;
mod errors;
mod flows;
mod interpreter;
mod json;
mod kharon;
mod os_signals;
mod pump;
mod replay;
mod scripts;
mod seen;
mod shared;
mod simulation;
mod supply;
mod token;
mod value;
mod waiting;
mod watcher;

/// What this build can do besides watching.
const FEATURES: &[&str] = if cfg!(feature = "kharon-postgres") {
    &["api", "journal", "kharon", "persist", "postgres", "sim", "sqlite"]
} else {
    &["api", "journal", "kharon", "persist", "sim", "sqlite"]
};

#[pyo3::pymodule(gil_used = false)]
mod _hersh {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::channel::Channel;
    #[pymodule_export]
    use super::context::Context;
    #[pymodule_export]
    use super::replay::{Divergence, Replayed, replay};
    #[pymodule_export]
    use super::seen::{LogEntry, Message, StopReport, Tick, Watched};
    #[pymodule_export]
    use super::simulation::{Simulation, Trace, TraceEntry};
    #[pymodule_export]
    use super::token::CancelToken;
    #[pymodule_export]
    use super::watcher::Watcher;

    #[pymodule_export]
    use super::kharon::{
        Addition, Bell, Bells, Change, Claim, Expired, Filter, Group, Kharon, KharonReport,
        Listing, MemoryStore, Poll, Polled, SqliteStore, Stepper, StoreStats, Ticket, Update,
        VirtualClock,
    };
    #[pymodule_export]
    use super::kharon::{
        admit, apply, claim, close_group, conformance, count, free_finalizer, holds, join_group,
        open_postgres, random_id, ready_at,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("features", crate::FEATURES)?;
        crate::interpreter::install(module)
    }
}
