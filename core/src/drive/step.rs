//! From one execution to the next.

use std::sync::Arc;
use std::time::Duration;

use super::cell::{Cell, Inner, Work};
use super::stage::Stage;
use crate::brain::{Event, StopRequest, Time};

/// What comes next.
pub(crate) enum Step {
    /// Run the managed function, for which the stage is set.
    Execute,
    /// Run the cleanup function.
    CleanUp,
    /// Nothing is left to do now.
    Rest(Rest),
}

/// Why a cell does not go on by itself.
pub(crate) enum Rest {
    /// It has not come to rest: go on.
    NotYet,
    /// Nothing is due: wait for an input, at most until this moment, flows only if wanted.
    Wait { until: Option<Time>, flows: bool },
    /// The session is over.
    End,
}

impl Cell {
    /// Goes from step to step, running the user's functions on the calling thread, until nothing is
    /// left to do now, or until this many have run. How many have run.
    pub(crate) fn advance(self: &Arc<Self>, session: u64, most: u32) -> (u32, Rest) {
        let mut stage = Stage::enter(self);
        let mut finished = None;
        for ran in 0..most {
            finished = match self.step(session, &mut stage, finished.take()) {
                Step::Execute => stage.execute(),
                Step::CleanUp => Some(stage.clean_up()),
                Step::Rest(rest) => return (ran, rest),
            };
        }
        if let Some(event) = finished {
            // Refused when a kill came first; the fault is in the log.
            let _ = self.feed(event);
        }
        (most, Rest::NotYet)
    }

    /// Feeds what has arrived, highest class first, and asks the brain what comes next. `finished`
    /// is how the last piece of work ended.
    ///
    /// Lifecycle signals come first of all: the threads that bring them feed them directly.
    fn step(&self, session: u64, stage: &mut Stage<'_>, finished: Option<Event>) -> Step {
        let step = self.step_locked(session, stage, finished);
        #[cfg(feature = "journal")]
        self.write_tape();
        step
    }

    fn step_locked(&self, session: u64, stage: &mut Stage<'_>, finished: Option<Event>) -> Step {
        let mut inner = self.lock();
        let now = self.body.now();
        if inner.brain.session() != session {
            return Step::Rest(Rest::End);
        }
        if let Some(event) = finished {
            // Refused when a kill came first; the fault is in the log.
            let _ = self.reduce(&mut inner, event, now, None);
        }
        if inner.brain.state().is_terminal() {
            return Step::Rest(Rest::End);
        }
        self.gather(&mut inner, now);
        self.gather_vars(&mut inner, now);
        let step = self.serve(&mut inner, stage, now);
        self.set_alarm(&inner);
        step
    }

    /// Ends a session for which there is no thread, before anything has run in it. The watcher can be
    /// started again.
    pub(crate) fn abandon(&self, reason: &str) {
        let mut inner = self.lock();
        let now = self.body.now();
        let (reason, timeout) = (Arc::from(reason), Duration::ZERO);
        let stop = Event::Stop(StopRequest { reason, drain: false, timeout });
        for event in [stop, Event::Serve, Event::CleanedUp { problem: None }] {
            // Refused when somebody else has ended the session meanwhile.
            let _ = self.reduce(&mut inner, event, now, None);
        }
        drop(inner);
        #[cfg(feature = "journal")]
        self.write_tape();
    }

    /// Serves what has been fed, at the moment at which that was recorded.
    #[cfg(feature = "journal")]
    pub(crate) fn serve_once(&self, stage: &mut Stage<'_>) -> Step {
        self.serve(&mut self.lock(), stage, self.body.now())
    }

    fn serve(&self, inner: &mut Inner, stage: &mut Stage<'_>, now: Time) -> Step {
        // `Serve` is known in every state.
        match self.reduce(inner, Event::Serve, now, None).1 {
            Some(Work::Execute) => {
                if let Some(execution) = inner.brain.execution() {
                    stage.set(execution);
                }
                Step::Execute
            }
            Some(Work::CleanUp) => Step::CleanUp,
            None => {
                let (until, flows) = (inner.brain.next_deadline(), inner.brain.wants_vars());
                Step::Rest(Rest::Wait { until, flows })
            }
        }
    }
}
