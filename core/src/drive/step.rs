//! From one execution to the next.

use std::sync::Arc;

use super::cell::{Cell, Inner, Work, lock};
use super::managed::{call, inside};
use crate::brain::{Event, Execution, Outcome, Time};
use crate::watcher::Context;

/// What the stepping thread is to do.
pub(crate) enum Step {
    /// Run the managed function.
    Execute(Execution),
    /// Run the cleanup function.
    CleanUp,
    /// Nothing is due: wait for an input, at most until this moment, flows only if wanted.
    Wait { until: Option<Time>, flows: bool },
    /// The session is over.
    End,
}

impl Cell {
    /// Feeds what has arrived, highest class first, and asks the brain what comes next. `finished`
    /// is how the last piece of work ended.
    ///
    /// Lifecycle signals come first of all: the threads that bring them feed them directly.
    pub(crate) fn step(&self, session: u64, finished: Option<Event>) -> Step {
        let step = self.step_locked(session, finished);
        #[cfg(feature = "journal")]
        self.write_tape();
        step
    }

    fn step_locked(&self, session: u64, finished: Option<Event>) -> Step {
        let mut inner = self.lock();
        let now = self.body.now();
        if inner.brain.session() != session {
            return Step::End;
        }
        if let Some(event) = finished {
            // Refused when a kill came first; the fault is in the log.
            let _ = self.reduce(&mut inner, event, now, None);
        }
        if inner.brain.state().is_terminal() {
            return Step::End;
        }
        self.gather(&mut inner, now);
        self.gather_vars(&mut inner, now);
        let step = self.serve(&mut inner, now);
        self.set_alarm(&inner);
        step
    }

    /// Serves what has been fed, at the moment at which that was recorded.
    #[cfg(feature = "journal")]
    pub(crate) fn serve_once(&self) -> Step {
        self.serve(&mut self.lock(), self.body.now())
    }

    fn serve(&self, inner: &mut Inner, now: Time) -> Step {
        // `Serve` is known in every state.
        match self.reduce(inner, Event::Serve, now, None).1 {
            Some(Work::Execute(execution)) => Step::Execute(execution),
            Some(Work::CleanUp) => Step::CleanUp,
            None => {
                Step::Wait { until: inner.brain.next_deadline(), flows: inner.brain.wants_vars() }
            }
        }
    }

    /// Runs the managed function on the calling thread, without any lock of the brain.
    pub(crate) fn execute(self: &Arc<Self>, execution: Execution) -> Event {
        let number = execution.number;
        let message = execution.message.clone();
        let context = Context::of(self, execution);
        // Held while the function runs: the structure itself allows no second execution.
        let mut managed = lock(&self.managed);
        let outcome = match managed.as_mut() {
            Some(managed) => call(self.number, managed, message.as_deref(), &context),
            None => Outcome::Done,
        };
        #[cfg(feature = "persist")]
        let outcome = self.keep_after(outcome);
        Event::Returned { execution: number, outcome }
    }

    /// Runs the cleanup function on the calling thread.
    pub(crate) fn clean_up(self: &Arc<Self>) -> Event {
        let context = Context::of_cleanup(self);
        let mut cleanup = lock(&self.cleanup);
        let result = match cleanup.as_mut() {
            Some(call) => inside(self.number, || call(&context)),
            None => Ok(()),
        };
        let problem = result.err().map(|words| format!("the cleanup function panicked: {words}"));
        #[cfg(feature = "persist")]
        let problem = problem.or(self.keep_at_stop());
        Event::CleanedUp { problem }
    }
}
