//! The worker threads. Builds, starts and everything else have threads of their own, so that a
//! queue of long builds never keeps another program from being stopped.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::queue::{self, Program};
use super::{Shared, SupervisorConfig};
use crate::program::effect::Effect;

enum Job {
    /// Carry out the next effect of this program.
    Lane(Arc<Program>),
    Quit,
}

struct Pool {
    give: Sender<Job>,
    take: Receiver<Job>,
}

impl Pool {
    fn new() -> Self {
        // Holds at most one job for each program, since a lane is given out once at a time.
        let (give, take) = unbounded();
        Self { give, take }
    }
}

pub(super) struct Pools {
    builds: Pool,
    starts: Pool,
    rest: Pool,
}

impl Pools {
    pub(super) fn new() -> Self {
        Self { builds: Pool::new(), starts: Pool::new(), rest: Pool::new() }
    }

    /// Has the program's next effect, which is this one, carried out.
    pub(super) fn give(&self, effect: &Effect, program: Arc<Program>) {
        let pool = match effect {
            Effect::BuildRuntime { .. } => &self.builds,
            Effect::StartRuntime { .. } => &self.starts,
            _ => &self.rest,
        };
        // The receiver lives as long as the sender beside it.
        let _ = pool.give.send(Job::Lane(program));
    }

    /// Ends the workers; `threads` is how many there are at most in one pool.
    pub(super) fn close(&self, threads: usize) {
        for pool in [&self.builds, &self.starts, &self.rest] {
            for _ in 0..threads {
                let _ = pool.give.send(Job::Quit);
            }
        }
    }
}

/// Starts the workers of all pools.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    config: SupervisorConfig,
    threads: &mut Vec<JoinHandle<()>>,
) -> std::io::Result<()> {
    let pools = &shared.pools;
    let kinds = [
        ("build", &pools.builds, config.builders),
        ("start", &pools.starts, config.starters),
        ("effect", &pools.rest, config.workers),
    ];
    for (name, pool, count) in kinds {
        for number in 0..count.max(1) {
            let (shared, take) = (Arc::clone(shared), pool.take.clone());
            let thread = Builder::new().name(format!("{name}-{number}"));
            threads.push(thread.spawn(move || work(&shared, &take))?);
        }
    }
    Ok(())
}

fn work(shared: &Shared, take: &Receiver<Job>) {
    while let Ok(Job::Lane(program)) = take.recv() {
        let Some((effect, cancel)) = program.take_effect(shared) else { continue };
        let execute = || shared.handler.execute(&program.id, &effect, &cancel);
        // A panic in a handler is that effect's failure, not the end of the worker.
        let result = catch_unwind(AssertUnwindSafe(execute)).unwrap_or_else(|panic| {
            let words = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            effect.failed(format!("internal error: {}", words.unwrap_or_default()))
        });
        queue::finished(shared, &program, result);
    }
}
