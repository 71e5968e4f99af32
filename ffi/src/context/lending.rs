//! Lending contexts to callbacks.
//!
//! An execution takes a quarter of a microsecond, so hardly anything may be done for it. The thread
//! that runs a callback borrows the context from its own stack; another thread that is given the
//! handle finds it by way of the table and makes a copy, with which it finishes when the callback
//! returns meanwhile. Between callbacks nothing here knows of the watcher, or neither could be freed.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hersh::Context;

use super::{Execution, Held};
use crate::error::Answer;
use crate::handle::{self, Reserved, handle_of};
use crate::simulation::Home;
use crate::text::lock;

/// One execution, seen from inside. A callback is given it, and it lives until that callback
/// returns; then it is answered with `HERSH_STATUS_INVALID_HANDLE`. While it lives, it may be used
/// from other threads too.
pub struct HershContext {
    /// The generation of the handle that is alive, or `NONE`.
    lent: AtomicUsize,
    /// What that handle stands for. It may be followed by whoever holds the lock and has found the
    /// generation lent.
    execution: AtomicPtr<Execution<'static>>,
    following: Mutex<()>,
}

/// No handle has this generation: no callback runs.
const NONE: usize = 0;

handle_of!(HershContext, Context);

/// A handle, and what it stands for.
type Known = (*const HershContext, *const Execution<'static>);

thread_local! {
    /// What the innermost callback on this thread was lent.
    static INNERMOST: Cell<Known> = const { Cell::new((ptr::null(), ptr::null())) };
}

/// Does something with the execution that a handle stands for.
pub(super) fn with<A>(
    context: *const HershContext,
    work: impl FnOnce(&Execution<'_>) -> Answer<A>,
) -> Answer<A> {
    let (innermost, execution) = INNERMOST.get();
    if !context.is_null() && context == innermost {
        // SAFETY: a callback runs on this thread, and `Lender::lend` returns after it, and so after
        // this; what it borrows and has lent stays where it is until then.
        return work(unsafe { &*execution });
    }
    let copied = handle::ask(context, "context", HershContext::copied)?;
    work(&copied.execution())
}

/// What another thread needs of an execution, which may end at any moment.
struct Copied {
    context: Context,
    held: Arc<Mutex<Held>>,
    home: Option<Arc<Home>>,
}

impl Copied {
    fn execution(&self) -> Execution<'_> {
        Execution { context: &self.context, held: &self.held, home: self.home.as_ref() }
    }
}

impl HershContext {
    /// A copy of what was lent under this generation, while its callback runs.
    fn copied(&self, generation: usize) -> Option<Copied> {
        let _following = lock(&self.following);
        if generation == NONE || self.lent.load(Ordering::Acquire) != generation {
            return None;
        }
        // SAFETY: what is lent was stored before its generation, and `Lent` cannot go before it has
        // had the lock that is held here.
        let execution = unsafe { &*self.execution.load(Ordering::Relaxed) };
        Some(Copied {
            context: execution.context.clone(),
            held: Arc::clone(execution.held),
            home: execution.home.cloned(),
        })
    }
}

/// Lends the contexts of one function's executions, one after the other.
pub(crate) struct Lender {
    slot: Reserved<HershContext>,
    /// Used again for the next execution, unless another thread still uses it.
    held: Arc<Mutex<Held>>,
    home: Option<Arc<Home>>,
}

impl Lender {
    pub(crate) fn new(home: Option<Arc<Home>>) -> Answer<Self> {
        let slot = Reserved::new(HershContext {
            lent: AtomicUsize::new(NONE),
            execution: AtomicPtr::default(),
            following: Mutex::default(),
        })?;
        Ok(Self { slot, held: Arc::default(), home })
    }

    /// Calls a function with a handle that is alive until it returns. What it answers, and the words
    /// that it left for that.
    pub(crate) fn lend<A>(
        &mut self,
        context: &Context,
        call: impl FnOnce(*mut HershContext) -> A,
    ) -> (A, Option<String>) {
        let (handle, generation) = self.slot.next();
        let execution = Execution { context, held: &self.held, home: self.home.as_ref() };
        let lent = Lent::new(self.slot.content(), (handle, generation), &execution);
        let answer = call(handle);
        drop(lent);
        (answer, self.let_go())
    }

    /// Lets go what is held for the execution that has just ended, so that the next begins with
    /// nothing. The words that came with the outcome.
    fn let_go(&mut self) -> Option<String> {
        if let Some(held) = Arc::get_mut(&mut self.held) {
            return held.get_mut().unwrap_or_else(PoisonError::into_inner).let_go();
        }
        // Another thread is amid a call, and keeps what that needs.
        let shared = mem::take(&mut self.held);
        lock(&shared).reason.take()
    }
}

/// While this lives, an execution can be found by its handle.
struct Lent<'a> {
    context: &'a HershContext,
    outer: Known,
}

impl<'a> Lent<'a> {
    fn new(
        context: &'a HershContext,
        (handle, generation): (*mut HershContext, usize),
        execution: &'a Execution<'_>,
    ) -> Self {
        let execution = ptr::from_ref(execution).cast::<Execution<'static>>();
        let outer = INNERMOST.replace((handle, execution));
        context.execution.store(execution.cast_mut(), Ordering::Relaxed);
        context.lent.store(generation, Ordering::Release);
        Self { context, outer }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.context.lent.store(NONE, Ordering::Relaxed);
        // Whoever comes after this finds nothing lent, and whoever came before has made its copy.
        drop(lock(&self.context.following));
        INNERMOST.set(self.outer);
    }
}
