//! Running the user's functions.

use std::sync::Arc;

use super::cell::{Cell, lock};
use super::managed::{ManagedFn, call, inside};
use crate::brain::{Ending, Event, Execution};
use crate::sync::MutexGuard;
use crate::watcher::Context;

/// The calling thread's hold on a cell's functions, from one rest to the next.
pub(crate) struct Stage<'a> {
    cell: &'a Arc<Cell>,
    /// Held while the function runs: the structure itself allows no second execution.
    managed: MutexGuard<'a, Option<ManagedFn>>,
    /// What the function is given: set for each execution, and used again for the next.
    context: Option<Context>,
}

impl<'a> Stage<'a> {
    pub(crate) fn enter(cell: &'a Arc<Cell>) -> Self {
        Self { cell, managed: lock(&cell.managed), context: None }
    }

    /// Sets the context for an execution.
    pub(super) fn set(&mut self, execution: &Execution) {
        match &mut self.context {
            Some(context) => context.renew(execution),
            None => self.context = Some(Context::of(self.cell, execution.clone())),
        }
    }

    /// Runs the managed function, without any lock of the brain.
    pub(crate) fn execute(&mut self) -> Option<Event> {
        let (context, cell) = (self.context.as_ref()?, self.cell);
        let ending = match self.managed.as_mut() {
            Some(managed) => call(cell.number, managed, context),
            None => Ending::Done,
        };
        #[cfg(feature = "persist")]
        let ending = cell.keep_after(ending);
        Some(Event::Returned { execution: context.execution(), ending })
    }

    /// Runs the cleanup function.
    pub(crate) fn clean_up(&mut self) -> Event {
        let context = Context::of_cleanup(self.cell);
        let mut cleanup = lock(&self.cell.cleanup);
        let result = match cleanup.as_mut() {
            Some(call) => inside(self.cell.number, || call(&context)),
            None => Ok(()),
        };
        let problem = result.err().map(|words| format!("the cleanup function panicked: {words}"));
        #[cfg(feature = "persist")]
        let problem = problem.or(self.cell.keep_at_stop());
        Event::CleanedUp { problem }
    }
}
