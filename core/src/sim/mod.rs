//! The simulated body: watchers under a virtual clock.
//!
//! Everything a watcher does is decided by the same brain that the threads drive, but here one
//! thread, a seed and a clock that jumps stand in for many threads and waiting: a day of ticks takes
//! a moment, and two runs with one seed do the same, byte for byte. It is for testing programs that
//! use hersh, and most of hersh's own tests run on it.
//!
//! ```
//! use std::time::Duration;
//! use hersh::sim::Simulation;
//!
//! let sim = Simulation::new(7);
//! let watcher = sim.builder().name("clock").build()?;
//! watcher.manage("count hours", |_, ctx| {
//!     let hour = ctx.watch_tick("hour", Duration::from_secs(3600))?;
//!     if let Some(hour) = hour.value() {
//!         ctx.set_value("hours", hour.count);
//!     }
//!     Ok(())
//! })?;
//! watcher.start()?;
//! sim.advance(Duration::from_secs(24 * 3600));
//! assert_eq!(watcher.values()["hours"].get::<u64>(), Some(&24));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//! A simulation and its watchers belong together on one thread. Functions and polls run on the
//! thread that advances the clock, in virtual time zero unless they sleep with
//! [`Context::sleep`](crate::Context::sleep).
//!
//! # Panics
//! A function that always asks for its own next execution, by a message to itself or a channel that it
//! feeds, lets no time pass. After a million executions in a row, or a million rounds of several watchers,
//! at one moment, whatever runs the simulation panics and says which watcher and when:
//! [`Simulation::advance`] and [`Simulation::run_until_idle`], and a watcher's `stop` and `wait`.

mod body;
mod trace;
mod world;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::brain::{Data, Value};
use crate::watcher::{Builder, Watcher};
use body::SimBody;
use world::World;

pub use trace::{Trace, TraceEntry};

/// A virtual clock and the watchers that live by it.
pub struct Simulation {
    world: Arc<World>,
}

impl Simulation {
    /// A world whose clock stands at 2025-01-01 00:00 UTC. The seed decides what chance decides:
    /// jitter, and in which order watchers that are due at one moment are served.
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(World::new(seed)) }
    }

    /// Begins to build a watcher that lives in this simulation. It does what a watcher does, but
    /// only while the simulation is being run.
    pub fn builder(&self) -> Builder {
        let (number, seed) = self.world.next_member();
        let body = SimBody::new(&self.world);
        self.world.join(&body);
        Builder::simulated(format!("sim-{number}"), seed, Arc::new(body))
    }

    /// The virtual time.
    pub fn now(&self) -> SystemTime {
        world::wall(self.world.now())
    }

    /// Does everything that can be done without the clock moving.
    ///
    /// # Panics
    /// From inside a managed function or a poll of a simulated watcher, and when a million
    /// executions in a row have not come to rest at one moment.
    pub fn run_until_idle(&self) {
        self.world.run_for(Duration::ZERO);
    }

    /// Moves the clock, doing everything that falls due on the way.
    ///
    /// # Panics
    /// As [`run_until_idle`](Self::run_until_idle).
    pub fn advance(&self, duration: Duration) {
        self.world.run_for(duration);
    }

    /// Every change of state of every watcher so far.
    pub fn trace(&self) -> Trace {
        self.world.trace()
    }

    /// Lets the next `times` polls of a variable fail with these words, without calling them.
    /// Takes effect whether the variable is watched already or not.
    ///
    /// # Panics
    /// When the watcher is not of this simulation.
    pub fn fail_polls(&self, watcher: &Watcher, name: &str, times: u32, words: &str) {
        self.script(watcher, name, |script| {
            script.results.extend((0..times).map(|_| Err(Arc::from(words))));
        });
    }

    /// Lets the next poll of a variable bring this value, without calling it. Several wait in line.
    ///
    /// # Panics
    /// When the watcher is not of this simulation; and later, while the simulation is run, when the
    /// variable is of another type.
    pub fn inject_poll<T: Data>(&self, watcher: &Watcher, name: &str, value: T) {
        self.script(watcher, name, |script| script.results.push_back(Ok(Value::new(value))));
    }

    /// Lets every poll of a variable take this long from now on.
    ///
    /// # Panics
    /// When the watcher is not of this simulation.
    pub fn delay_polls(&self, watcher: &Watcher, name: &str, delay: Duration) {
        self.script(watcher, name, |script| script.delay = delay);
    }

    fn script(&self, watcher: &Watcher, name: &str, change: impl FnOnce(&mut body::Script)) {
        let member = self.world.member_of(watcher.cell());
        assert!(member.is_some(), "{watcher:?} is not of this simulation");
        if let Some(member) = member {
            member.script(name, change);
        }
    }
}
