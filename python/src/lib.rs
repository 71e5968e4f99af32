//! The native half of the Python package `hersh`.
//!
//! # The rules that keep it free of deadlocks
//! 1. Whoever calls into the core from Python detaches from the interpreter first, without
//!    exception: the core takes locks and waits.
//! 2. No Python code runs while a lock of the core is held: values compare by identity there (see
//!    [`value`]), and a Python object that is dropped there is released later by `PyO3`.
//! 3. A thread of a watcher enters the interpreter through [`interpreter::enter`] alone, which
//!    turns it away once the interpreter is ending.

#![allow(unsafe_code, reason = "one call of Python's C API that PyO3 has no safe form of")]

mod callbacks;
mod channel;
mod config;
mod context;
mod errors;
mod interpreter;
mod json;
mod pump;
mod seen;
mod shared;
mod token;
mod value;
mod waiting;
mod watcher;

#[pyo3::pymodule(gil_used = false)]
mod _hersh {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::channel::Channel;
    #[pymodule_export]
    use super::context::Context;
    #[pymodule_export]
    use super::seen::{LogEntry, Message, StopReport, Tick, Watched};
    #[pymodule_export]
    use super::token::CancelToken;
    #[pymodule_export]
    use super::watcher::Watcher;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::interpreter::install(module)
    }
}
