//! The door between threads of watchers and the interpreter: who may enter, and until when.

use std::cell::RefCell;
use std::ffi::c_long;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
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

/// What ends with the interpreter: watchers, and workers of a Kharon.
pub(crate) trait Mortal: Send + Sync {
    /// Ends what runs, without waiting for it. Called detached.
    fn kill(&self);
    /// Waits until no thread of it is left, at most for so long. Called detached.
    fn join(&self, limit: Duration);
    /// Whether it is still there.
    fn is_alive(&self) -> bool;
}

#[derive(Default)]
struct Door {
    /// Nobody enters any more. Read without the lock by those who enter, see [`enter`].
    closed: AtomicBool,
    /// The interpreter is ending, and waits for guests to leave.
    awaited: AtomicBool,
    book: Mutex<Book>,
    left: Condvar,
}

#[derive(Default)]
struct Book {
    guests: Vec<Weak<Guest>>,
    mortals: Vec<Box<dyn Mortal>>,
}

/// A thread that runs Python code at times for the core: one of the core's own, or one of Python's
/// that drives a simulation.
struct Guest {
    door: &'static Door,
    /// The number that Python has for the thread.
    thread: c_long,
    inside: AtomicBool,
}

thread_local! {
    static GUEST: RefCell<Option<Stay>> = const { RefCell::new(None) };
}

/// A thread's registration, until the thread ends.
///
/// A thread of the core keeps its thread state of Python from its first visit to its end: making
/// one for each visit costs more than most visits do.
struct Stay {
    guest: Arc<Guest>,
    generation: u32,
    /// What is to be released when the thread ends; nothing for a thread of Python's own.
    ensured: Option<pyo3::ffi::PyGILState_STATE>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Some(ensured) = self.ensured.take() else { return };
        // After the end of the interpreter, or a fork, the state is gone or nobody's.
        let Some(_visit) = self.guest.visit().filter(|_| self.generation == generation()) else {
            return;
        };
        Python::try_attach(|_| {
            // SAFETY: attached, and this is the counterpart of the call in `register`.
            unsafe { pyo3::ffi::PyGILState_Release(ensured) };
        });
    }
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

/// Inside, until dropped.
struct Visit<'a> {
    guest: &'a Guest,
    /// A visit within a visit does not end it.
    within: bool,
}

impl Guest {
    /// `None` when the door is closed. Whoever closes it sees this guest inside, or this guest sees
    /// it closed: both write before they read, in one order for all.
    fn visit(&self) -> Option<Visit<'_>> {
        let within = self.inside.swap(true, Ordering::SeqCst);
        let visit = Visit { guest: self, within };
        (within || !self.door.closed.load(Ordering::SeqCst)).then_some(visit)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.within {
            return;
        }
        self.guest.inside.store(false, Ordering::SeqCst);
        if self.guest.door.awaited.load(Ordering::SeqCst) {
            // With the lock, so that who is about to wait does not miss it.
            drop(lock(&self.guest.door.book));
            self.guest.door.left.notify_all();
        }
    }
}

/// Whether the interpreter is about to end, and watchers are being killed for it.
pub(crate) fn is_ending() -> bool {
    door().awaited.load(Ordering::SeqCst)
}

/// Runs `call` attached to the interpreter; `None` when that is ending, or has ended.
pub(crate) fn enter<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let guest = this_guest()?;
    let _visit = guest.visit()?;
    Python::try_attach(call)
}

fn this_guest() -> Option<Arc<Guest>> {
    let known = GUEST.try_with(|slot| {
        let slot = slot.borrow();
        let stay = slot.as_ref().filter(|stay| stay.generation == generation());
        stay.map(|stay| Arc::clone(&stay.guest))
    });
    match known {
        Ok(Some(guest)) => Some(guest),
        Ok(None) => register(),
        // A thread whose locals are being destroyed has no business with Python any more.
        Err(_) => None,
    }
}

/// The first visit of a thread.
fn register() -> Option<Arc<Guest>> {
    let door = door();
    // SAFETY: it asks the operating system and needs no interpreter.
    let thread = unsafe { pyo3::ffi::PyThread_get_thread_ident() };
    #[expect(clippy::cast_possible_wrap, reason = "Python itself takes the number as a signed one")]
    let guest = Arc::new(Guest { door, thread: thread as c_long, inside: AtomicBool::new(false) });
    let visit = guest.visit()?;
    let mut book = lock(&door.book);
    book.guests.retain(|known| known.strong_count() > 0);
    book.guests.push(Arc::downgrade(&guest));
    drop(book);
    // SAFETY: it only looks; a thread of the core has none before its first visit.
    let is_ours = unsafe { pyo3::ffi::PyGILState_GetThisThreadState().is_null() };
    let ensured = Python::try_attach(|_| {
        // SAFETY: attached; it counts one more user of the state that attaching has made.
        is_ours.then(|| unsafe { pyo3::ffi::PyGILState_Ensure() })
    })?;
    drop(visit);
    let stay = Stay { guest: Arc::clone(&guest), generation: generation(), ensured };
    let before = GUEST.try_with(|slot| slot.replace(Some(stay)));
    drop(before);
    Some(guest)
}

/// Has the end of the interpreter end this too.
pub(crate) fn remember(mortal: impl Mortal + 'static) {
    let mut book = lock(&door().book);
    book.mortals.retain(|known| known.is_alive());
    book.mortals.push(Box::new(mortal));
}

impl Mortal for hersh::WeakWatcher {
    fn kill(&self) {
        if let Some(watcher) = self.upgrade() {
            watcher.kill();
        }
    }

    fn join(&self, limit: Duration) {
        if let Some(watcher) = self.upgrade() {
            watcher.join(Some(limit));
        }
    }

    fn is_alive(&self) -> bool {
        self.upgrade().is_some()
    }
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
    door.awaited.store(true, Ordering::SeqCst);
    let mortals = std::mem::take(&mut lock(&door.book).mortals);
    py.detach(|| {
        for mortal in &mortals {
            mortal.kill();
        }
        door.close_when_empty(PATIENCE);
    });
    for thread in door.threads_inside() {
        let exit = py.get_type::<PySystemExit>();
        // SAFETY: attached; a thread that has left meanwhile is not found, which is fine.
        unsafe { pyo3::ffi::PyThreadState_SetAsyncExc(thread, exit.as_ptr()) };
    }
    py.detach(|| {
        door.close_when_empty(PATIENCE);
        door.closed.store(true, Ordering::SeqCst);
        // Their functions have returned or never will; their threads are given a moment to end.
        let deadline = Instant::now() + PATIENCE;
        for mortal in mortals {
            if door.threads_inside().is_empty() {
                mortal.join(deadline.saturating_duration_since(Instant::now()));
            }
        }
    });
}

impl Door {
    fn threads_inside(&self) -> Vec<c_long> {
        lock(&self.book).inside().map(|guest| guest.thread).collect()
    }

    /// Waits until nobody is inside and then lets nobody in any more; gives up after `limit`.
    fn close_when_empty(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut book = lock(&self.book);
        loop {
            self.closed.store(true, Ordering::SeqCst);
            if book.inside().next().is_none() {
                return;
            }
            // Who is inside may wait for somebody who is still to come.
            self.closed.store(false, Ordering::SeqCst);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            book = self.left.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Book {
    fn inside(&self) -> impl Iterator<Item = Arc<Guest>> {
        let guests = self.guests.iter().filter_map(Weak::upgrade);
        guests.filter(|guest| guest.inside.load(Ordering::SeqCst))
    }
}
