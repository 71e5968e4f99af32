//! Calling the user's functions, whatever they do.

use std::any::Any;
use std::cell::Cell as ThreadCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::brain::{Ending, Message};
use crate::sync::thread_local;
use crate::watcher::{Context, ManagedError};

/// The managed function.
pub(crate) type ManagedFn =
    Box<dyn FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send>;

/// The cleanup function.
pub(crate) type CleanupFn = Box<dyn FnMut(&Context) + Send>;

thread_local! {
    /// The watcher whose function this thread is running, by its number; 0 for none.
    static INSIDE: ThreadCell<u64> = const { ThreadCell::new(0) };
}

/// Whether the calling thread is inside a function of this watcher.
pub(crate) fn is_inside(watcher: u64) -> bool {
    INSIDE.with(ThreadCell::get) == watcher
}

/// Runs `call` marked as being inside this watcher; a panic becomes its words.
pub(crate) fn inside<T>(watcher: u64, call: impl FnOnce() -> T) -> Result<T, String> {
    let outer = INSIDE.with(|inside| inside.replace(watcher));
    let result = catch_unwind(AssertUnwindSafe(call));
    INSIDE.with(|inside| inside.set(outer));
    result.map_err(|payload| panic_words(&*payload))
}

/// The words of a panic.
pub(crate) fn panic_words(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Calls the managed function. Words are made of its error here too, as that runs its user's code.
pub(super) fn call(watcher: u64, managed: &mut ManagedFn, context: &Context) -> Ending {
    inside(watcher, || match managed(context.message(), context) {
        Ok(()) => Ending::Done,
        Err(ManagedError::Stop(reason)) => Ending::Stop(reason.into()),
        Err(ManagedError::Kill(reason)) => Ending::Kill(reason.into()),
        Err(ManagedError::Crash(reason)) => Ending::Crash(reason.into()),
        Err(ManagedError::Other(error)) => Ending::Failed(chain(&*error).into()),
    })
    .unwrap_or_else(|words| Ending::Panicked(words.into()))
}

/// An error with its sources, outermost first. Bounded, as a chain may be circular.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .take(16)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
