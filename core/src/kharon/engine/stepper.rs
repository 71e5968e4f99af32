//! The simulated body: tickets run one step at a time, on the calling thread.
//!
//! It shares all but the threads with the other: the same session, outbox and rules, under a clock that
//! stands still until nothing is left to do.

use std::sync::Arc;
use std::time::Duration;

use super::session::{Look, Session};
use super::{Engine, RunError, keeper, worker};
use crate::kharon::router::Router;
use crate::kharon::time::{Clock, VirtualClock};

/// How many steps one moment may take before it counts as never coming to rest.
const MOST_STEPS: u32 = 1_000_000;

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// How many tickets were run.
    pub ran: usize,
    /// How long until there may be something to do again, if nothing happens meanwhile. At most
    /// `max_poll_interval`.
    pub next_in: Duration,
}

/// Runs tickets one step at a time. See [`Kharon::stepper`](crate::kharon::Kharon::stepper).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use hersh::kharon::{Kharon, MemoryStore, NewTicket, Repeat, Router, Settings, VirtualClock};
///
/// let clock = Arc::new(VirtualClock::new());
/// let store = MemoryStore::with_clock(Arc::clone(&clock));
/// let kharon = Kharon::with_clock(store, Settings::default(), Arc::clone(&clock))?;
/// kharon.add(NewTicket::new("hourly", "report")?.repeat(Repeat::every(Duration::from_secs(3600))?))?;
/// let stepper = kharon.stepper(Router::new().handle("report", |_| Ok(())))?;
/// let ran = stepper.run_for(&clock, Duration::from_secs(24 * 3600));
/// assert_eq!(ran, 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stepper {
    session: Arc<Session>,
}

impl Stepper {
    pub(in crate::kharon) fn new(engine: &Arc<Engine>, router: Router) -> Result<Self, RunError> {
        Ok(Self { session: engine.open(router)? })
    }

    /// Claims a batch, runs it, settles it, and removes what has expired.
    pub fn step(&self) -> Step {
        let mut next_in = Duration::ZERO;
        if let Look::Nothing { again_in, .. } = self.session.look(&mut 0) {
            next_in = again_in;
        }
        let mut ran = 0;
        while let Some(fetched) = self.session.take() {
            worker::run(&self.session, fetched);
            ran += 1;
        }
        self.session.flush();
        if self.session.engine.settings().expiration {
            next_in = next_in.min(keeper::expire(&self.session));
        }
        Step { ran, next_in }
    }

    /// Moves a clock on by so much, running everything that falls due on the way. How many tickets
    /// were run.
    ///
    /// # Panics
    /// When a million batches in a row have not come to rest at one moment.
    pub fn run_for(&self, clock: &VirtualClock, time: Duration) -> usize {
        let end = clock.now() + time;
        let mut ran = 0;
        let mut steps = 0;
        loop {
            let step = self.step();
            ran += step.ran;
            steps += 1;
            assert!(steps < MOST_STEPS, "a million batches have not come to rest at one moment");
            if step.ran > 0 {
                continue;
            }
            if clock.now() >= end {
                return ran;
            }
            steps = 0;
            clock.move_to((clock.now() + step.next_in).min(end));
        }
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        self.session.engine.stop(Duration::ZERO);
    }
}
