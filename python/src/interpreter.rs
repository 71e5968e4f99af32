//! The door between threads of watchers and the interpreter: who may enter, and until when.

use std::ffi::c_long;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use crate::errors::ForkError;

/// How long the end of the interpreter waits for watchers to end, before it interrupts what they
/// run, and then again before it leaves them behind.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts the forks that led to this process.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The door of this process. A child gets a new one: the old one's lock may be held for ever.
static DOOR: AtomicPtr<Door> = AtomicPtr::new(std::ptr::null_mut());

#[derive(Default)]
struct Door {
    guests: Mutex<Guests>,
    left: Condvar,
}

#[derive(Default)]
struct Guests {
    closed: bool,
    /// The threads inside, by the number that Python has for them.
    threads: Vec<c_long>,
    watchers: Vec<hersh::WeakWatcher>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn door() -> &'static Door {
    let known = DOOR.load(Ordering::Acquire);
    if known.is_null() {
        return renew(known);
    }
    // SAFETY: it was leaked by `renew` and is never freed.
    unsafe { &*known }
}

fn renew(known: *mut Door) -> &'static Door {
    let new = Box::into_raw(Box::<Door>::default());
    if DOOR.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: another thread was faster, so nobody else has seen this one.
        drop(unsafe { Box::from_raw(new) });
    }
    // SAFETY: whichever was stored is leaked.
    unsafe { &*DOOR.load(Ordering::Acquire) }
}

/// Leaves the door, however the guest's visit ended.
struct Visit(&'static Door, c_long);

impl Drop for Visit {
    fn drop(&mut self) {
        let mut guests = lock(&self.0.guests);
        if let Some(at) = guests.threads.iter().position(|thread| *thread == self.1) {
            guests.threads.swap_remove(at);
        }
        self.0.left.notify_all();
    }
}

/// Runs `call` attached to the interpreter; `None` when that is ending, or has ended.
pub(crate) fn enter<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let door = door();
    let _visit = {
        let mut guests = lock(&door.guests);
        if guests.closed {
            return None;
        }
        let thread = this_thread();
        guests.threads.push(thread);
        Visit(door, thread)
    };
    Python::try_attach(call)
}

#[expect(clippy::cast_possible_wrap, reason = "Python itself takes the number as a signed one")]
fn this_thread() -> c_long {
    // SAFETY: it asks the operating system and needs no interpreter.
    unsafe { pyo3::ffi::PyThread_get_thread_ident() as c_long }
}

/// Has the end of the interpreter kill this watcher.
pub(crate) fn remember(watcher: hersh::WeakWatcher) {
    let mut guests = lock(&door().guests);
    guests.watchers.retain(|known| known.upgrade().is_some());
    guests.watchers.push(watcher);
}

/// The number of forks that led to this process; what was made under another number is refused.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Refuses what was made before a fork: its threads do not exist here, its locks may be held.
pub(crate) fn survived(made: u32, what: &str) -> PyResult<()> {
    if made == generation() {
        return Ok(());
    }
    Err(ForkError::new_err(format!(
        "this {what} was made before fork() and does not live in this process: make it in the \
         child, or start the child by the method 'spawn'"
    )))
}

/// Asks the interpreter to call back at its end and after a fork.
pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let at_exit = PyCFunction::new_closure(py, None, None, |args, _| end(args.py()))?;
    py.import("atexit")?.call_method1("register", (at_exit,))?;
    let after_fork = PyCFunction::new_closure(py, None, None, |_, _| {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        renew(DOOR.load(Ordering::Acquire));
    })?;
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", after_fork)?;
    let os = py.import("os")?;
    // Where there is no fork there is nothing to register with.
    if os.hasattr("register_at_fork")? {
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}

/// The interpreter is about to end: kill what runs, let it leave, interrupt what does not, close.
fn end(py: Python<'_>) {
    let door = door();
    let watchers = std::mem::take(&mut lock(&door.guests).watchers);
    py.detach(|| {
        for watcher in watchers.iter().filter_map(hersh::WeakWatcher::upgrade) {
            watcher.kill();
        }
        door.close_when_empty(PATIENCE);
    });
    let stubborn = lock(&door.guests).threads.clone();
    for thread in stubborn {
        let exit = py.get_type::<PySystemExit>();
        // SAFETY: attached; a thread that has left meanwhile is not found, which is fine.
        unsafe { pyo3::ffi::PyThreadState_SetAsyncExc(thread, exit.as_ptr()) };
    }
    py.detach(|| door.close_when_empty(PATIENCE));
    lock(&door.guests).closed = true;
    join(py, &watchers);
}

/// Their functions have returned or never will; their threads are given a moment to end.
fn join(py: Python<'_>, watchers: &[hersh::WeakWatcher]) {
    let deadline = Instant::now() + PATIENCE;
    py.detach(|| {
        for watcher in watchers.iter().filter_map(hersh::WeakWatcher::upgrade) {
            if !lock(&door().guests).threads.is_empty() {
                return;
            }
            watcher.join(Some(deadline.saturating_duration_since(Instant::now())));
        }
    });
}

impl Door {
    /// Waits until nobody is inside and then lets nobody in any more; gives up after `limit`.
    fn close_when_empty(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut guests = lock(&self.guests);
        while !guests.threads.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            guests = self.left.wait_timeout(guests, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        guests.closed = true;
    }
}
