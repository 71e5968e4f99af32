//! What the handle of a watcher, its contexts and its callbacks share.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::prelude::*;

use crate::interpreter::{generation, survived};
use crate::pump::Pump;

/// One watcher, as Python sees it.
///
/// The functions live here and not in the core, so that Python's garbage collector finds them: a
/// managed function that refers to its own watcher is a cycle.
pub(crate) struct Shared {
    pub(crate) managed: Mutex<Option<Py<PyAny>>>,
    pub(crate) cleanup: Mutex<Option<Py<PyAny>>>,
    pub(crate) pumps: Mutex<HashMap<String, Pump>>,
    /// Set once, when the watcher has been built.
    pub(crate) watcher: OnceLock<hersh::WeakWatcher>,
    made: u32,
}

thread_local! {
    /// The watcher whose function this thread is running, by the address of its shared part.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            managed: Mutex::default(),
            cleanup: Mutex::default(),
            pumps: Mutex::default(),
            watcher: OnceLock::new(),
            made: generation(),
        }
    }

    pub(crate) fn survived(&self) -> PyResult<()> {
        survived(self.made, "watcher")
    }

    pub(crate) fn is_of_this_process(&self) -> bool {
        self.made == generation()
    }

    /// Whether a session is under way.
    pub(crate) fn is_running(&self) -> bool {
        let watcher = self.watcher.get().and_then(hersh::WeakWatcher::upgrade);
        watcher.is_some_and(|watcher| watcher.is_running())
    }

    /// Runs `call` marked as being inside this watcher.
    pub(crate) fn inside<T>(&self, call: impl FnOnce() -> T) -> T {
        let outer = INSIDE.replace(std::ptr::from_ref(self) as usize);
        let result = call();
        INSIDE.set(outer);
        result
    }

    /// Whether this thread is inside a function of this watcher.
    pub(crate) fn is_inside(&self) -> bool {
        INSIDE.get() == std::ptr::from_ref(self) as usize
    }
}

/// Locks; what these locks guard is changed in whole steps, and none is held while Python runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
