//! Lending contexts to callbacks.
//!
//! An execution takes a quarter of a microsecond, and many a function reads its message and never asks
//! its context for anything. So nothing is made for an execution but the number of its handle; what C
//! sees of the execution is made when C first asks, and let go when the callback returns. What is kept
//! from one execution to the next knows nothing of the watcher, or neither could ever be freed.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hersh::Context;

use super::Execution;
use crate::error::Answer;
use crate::handle::{Reserved, handle_of};
use crate::simulation::Home;
use crate::text::lock;

/// One execution, seen from inside. A callback is given it, and it lives until that callback
/// returns; then it is answered with `HERSH_STATUS_INVALID_HANDLE`. While it lives, it may be used
/// from other threads too.
pub struct HershContext {
    /// The generation of the handle that is alive, or `NONE`.
    lent: AtomicUsize,
    /// The context that the handle stands for; to be followed by whoever has found the generation in
    /// `lent` while holding the lock of `execution`.
    context: AtomicPtr<Context>,
    /// What C sees of it, once C has asked.
    execution: Mutex<Option<Arc<Execution>>>,
    home: Option<Arc<Home>>,
}

/// No handle has this generation: no callback runs.
const NONE: usize = 0;

handle_of!(HershContext, Context);

impl HershContext {
    /// What C sees of the execution for which this generation was lent, while its callback runs.
    pub(super) fn execution(&self, generation: usize) -> Option<Arc<Execution>> {
        let mut execution = lock(&self.execution);
        if generation == NONE || self.lent.load(Ordering::Acquire) != generation {
            return None;
        }
        let seen = execution.get_or_insert_with(|| {
            // SAFETY: the generation is lent, so `Lender::lend` has stored its borrow before, and
            // cannot return before it has had the lock that is held here.
            let context = unsafe { &*self.context.load(Ordering::Relaxed) };
            Arc::new(Execution::new(context, self.home.clone()))
        });
        Some(Arc::clone(seen))
    }

    /// From here on nobody finds the context any more, and nobody is looking at it.
    fn take_back(&self) -> Option<Arc<Execution>> {
        self.lent.store(NONE, Ordering::Relaxed);
        lock(&self.execution).take()
    }
}

/// Lends the contexts of one function's executions, one after the other.
pub(crate) struct Lender(Reserved<HershContext>);

impl Lender {
    pub(crate) fn new(home: Option<Arc<Home>>) -> Answer<Self> {
        Reserved::new(HershContext {
            lent: AtomicUsize::new(NONE),
            context: AtomicPtr::new(ptr::null_mut()),
            execution: Mutex::default(),
            home,
        })
        .map(Self)
    }

    /// Calls a function with a handle that is alive until it returns. What it answers, and what C has
    /// seen, if it has asked.
    pub(crate) fn lend<A>(
        &mut self,
        context: &Context,
        call: impl FnOnce(*mut HershContext) -> A,
    ) -> (A, Option<Arc<Execution>>) {
        let (handle, generation) = self.0.next();
        let lent = Lent(self.0.content());
        lent.0.context.store(ptr::from_ref(context).cast_mut(), Ordering::Relaxed);
        lent.0.lent.store(generation, Ordering::Release);
        let answer = call(handle);
        let execution = lent.0.take_back();
        std::mem::forget(lent);
        (answer, execution)
    }
}

/// Takes the context back, whatever happens.
struct Lent<'a>(&'a HershContext);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        drop(self.0.take_back());
    }
}
