//! What the handle of a watcher, its contexts and its callbacks share.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use pyo3::prelude::*;

use crate::flows::Flows;
use crate::interpreter::{enter, generation, survived};
use crate::json;
use crate::scripts::Scripts;

/// By what a watcher lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Threads and the clocks of the machine.
    Live,
    /// A virtual clock.
    Simulated,
    /// A journal.
    Replayed,
}

/// One watcher, as Python sees it.
///
/// The functions and the memos live here and not in the core, so that Python's garbage collector
/// finds them: a managed function that refers to its own watcher is a cycle.
pub(crate) struct Shared {
    pub(crate) managed: Mutex<Option<Py<PyAny>>>,
    pub(crate) cleanup: Mutex<Option<Py<PyAny>>>,
    memos: Mutex<HashMap<u64, Py<PyAny>>>,
    memos_made: AtomicU64,
    pub(crate) flows: Flows,
    /// What a simulation has arranged for polls.
    pub(crate) scripts: Scripts,
    pub(crate) mode: Mode,
    /// Set once, when the watcher has been built.
    pub(crate) watcher: OnceLock<hersh::WeakWatcher>,
    made: u32,
}

thread_local! {
    /// The watcher whose function this thread is running, by the address of its shared part.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

impl Shared {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            managed: Mutex::default(),
            cleanup: Mutex::default(),
            memos: Mutex::default(),
            memos_made: AtomicU64::new(0),
            flows: Flows::default(),
            scripts: Scripts::default(),
            mode,
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

    /// Keeps an object as a memo.
    pub(crate) fn keep_memo(self: &Arc<Self>, object: Py<PyAny>) -> Memo {
        let number = self.memos_made.fetch_add(1, Ordering::Relaxed);
        lock(&self.memos).insert(number, object);
        Memo { shared: Arc::downgrade(self), number }
    }

    /// Shows Python's garbage collector what only this watcher keeps. What is being changed right
    /// now is shown the next time.
    pub(crate) fn traverse(&self, visit: &mut dyn FnMut(&Py<PyAny>)) {
        for slot in [&self.managed, &self.cleanup] {
            if let Ok(function) = slot.try_lock() {
                function.iter().for_each(&mut *visit);
            }
        }
        if let Ok(memos) = self.memos.try_lock() {
            memos.values().for_each(&mut *visit);
        }
        self.flows.traverse(visit);
    }

    /// Lets go of what it keeps, so that a cycle falls apart.
    pub(crate) fn clear(&self) {
        let functions = [lock(&self.managed).take(), lock(&self.cleanup).take()];
        let memos = std::mem::take(&mut *lock(&self.memos));
        self.flows.clear();
        drop((functions, memos));
    }
}

/// A memo, as the core keeps it: the object itself is kept by the watcher's shared part.
pub(crate) struct Memo {
    shared: Weak<Shared>,
    number: u64,
}

impl Memo {
    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let shared = self.shared.upgrade()?;
        let memos = lock(&shared.memos);
        memos.get(&self.number).map(|object| object.clone_ref(py))
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let object = lock(&shared.memos).remove(&self.number);
            drop(object);
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = enter(|py| self.get(py).map(|object| json::repr(object.bind(py))));
        f.write_str(shown.flatten().as_deref().unwrap_or("a Python object"))
    }
}

/// Locks; what these locks guard is changed in whole steps, and none is held while Python runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
