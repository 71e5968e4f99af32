//! Runs programs: one event after another for each, effects beside them.
//!
//! Each program has a bounded queue of events and a lane of effects. Events are reduced by whoever
//! finds the queue unattended, so there is no thread per program; effects are carried out by small
//! pools, one at a time and in order for each program, and never under the queue's lock: a stop is
//! heard while a build runs, and cancels it.
mod pool;
mod queue;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::answer::{Answer, Reduced};
use super::cancel::Cancel;
use super::effect::Effect;
use super::event::Event;
use super::id::ProgramId;
use super::state::{Millis, ProgramState};
use pool::Pools;
use queue::Program;

/// Carries effects out. Called on worker threads, one effect of a program at a time.
pub trait EffectHandler: Send + Sync + 'static {
    /// Does what the effect says and returns its result; none for an effect without one.
    ///
    /// Returns soon after `cancel` was cancelled, and then still tells what became of it: a start
    /// that made a container either removes it or reports it.
    fn execute(&self, id: &ProgramId, effect: &Effect, cancel: &Cancel) -> Option<Event>;
}

/// Keeps what happens, before anything is done about it.
///
/// What is due later is kept here as well: whoever records that a program has a pending restart
/// sees to it that `BackoffElapsed` is sent when its time has come, also after a crash.
pub trait Ledger: Send + Sync + 'static {
    /// Records that `event` turned `before` into `after`. It must be durable when this returns.
    ///
    /// # Errors
    /// Words for the owner: a request that cannot be recorded is not granted. A result that cannot
    /// be recorded is taken into account all the same, since it has already happened.
    fn record(
        &self,
        before: &ProgramState,
        event: &Event,
        after: &Reduced,
        now: Millis,
    ) -> Result<(), String>;

    /// What was recorded is now what [`Supervisor::state`] says, so that others may be told of it.
    /// Called in the order of a program's changes, and for each that changed its state.
    fn applied(&self, before: &ProgramState, after: &ProgramState) {
        let _ = (before, after);
    }
}

/// How much a supervisor does at once.
#[derive(Debug, Clone, Copy)]
pub struct SupervisorConfig {
    /// Events that may wait for one program.
    pub queue: usize,
    /// Builds at once.
    pub builders: usize,
    /// Starts at once.
    pub starters: usize,
    /// Everything else at once.
    pub workers: usize,
}

impl Default for SupervisorConfig {
    fn default() -> Self {
        Self { queue: 1_000, builders: 4, starters: 8, workers: 8 }
    }
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// There is no such program.
    #[error("there is no program {0}")]
    Unknown(ProgramId),
    /// There is one already.
    #[error("program {0} is supervised already")]
    Exists(ProgramId),
    /// Too many events wait (the seed's `ErrEventQueueFull`).
    #[error("the event queue of program {0} is full")]
    EventQueueFull(ProgramId),
    /// The supervisor was shut down (the seed's `ErrProgramStopped`).
    #[error("the supervisor has been shut down")]
    Stopped,
    /// The request could not be recorded, and was not granted.
    #[error("the request could not be recorded: {0}")]
    NotRecorded(String),
}

/// What an event led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The program afterwards.
    pub state: ProgramState,
    /// How the event was received.
    pub answer: Answer,
}

type Clock = Box<dyn Fn() -> Millis + Send + Sync>;

/// What all threads of a supervisor share.
struct Shared {
    programs: RwLock<HashMap<ProgramId, Arc<Program>>>,
    handler: Box<dyn EffectHandler>,
    ledger: Box<dyn Ledger>,
    clock: Clock,
    pools: Pools,
    queue: usize,
    closing: AtomicBool,
}

impl Shared {
    fn program(&self, id: &ProgramId) -> Option<Arc<Program>> {
        self.programs.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn forget(&self, id: &ProgramId) {
        self.programs.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// Runs programs until it is shut down or dropped. Usable from any thread.
pub struct Supervisor {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Supervisor {
    /// Starts the worker threads; there are no programs yet.
    ///
    /// # Errors
    /// What the system said when a thread could not be started.
    pub fn new(
        config: SupervisorConfig,
        handler: impl EffectHandler,
        ledger: impl Ledger,
        clock: impl Fn() -> Millis + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            programs: RwLock::default(),
            handler: Box::new(handler),
            ledger: Box::new(ledger),
            clock: Box::new(clock),
            pools: Pools::new(),
            queue: config.queue,
            closing: AtomicBool::new(false),
        });
        let supervisor = Self { shared, threads: Mutex::default() };
        let mut threads = Vec::new();
        let started = pool::spawn(&supervisor.shared, config, &mut threads);
        *supervisor.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        // Dropping the supervisor ends the threads that did start.
        started.map(|()| supervisor)
    }

    /// Takes a program under supervision, in the state that it is in.
    ///
    /// # Errors
    /// [`SupervisorError::Exists`], [`SupervisorError::Stopped`].
    pub fn add(&self, state: ProgramState) -> Result<(), SupervisorError> {
        if self.shared.is_closing() {
            return Err(SupervisorError::Stopped);
        }
        let mut programs = self.shared.programs.write().unwrap_or_else(PoisonError::into_inner);
        if programs.contains_key(&state.id) {
            return Err(SupervisorError::Exists(state.id));
        }
        programs.insert(state.id.clone(), Arc::new(Program::new(state)));
        Ok(())
    }

    /// Gives a program an event and waits until it was taken into account; not for what follows.
    ///
    /// # Errors
    /// All of [`SupervisorError`] but `Exists`. A refusal is no error but an [`Answer`].
    pub fn send(&self, id: &ProgramId, event: Event) -> Result<Reply, SupervisorError> {
        let program =
            self.shared.program(id).ok_or_else(|| SupervisorError::Unknown(id.clone()))?;
        queue::ask(&self.shared, &program, event)
    }

    /// The program as it is now.
    pub fn state(&self, id: &ProgramId) -> Option<ProgramState> {
        self.shared.program(id).map(|program| program.state())
    }

    /// All programs as they are now, in no order.
    pub fn states(&self) -> Vec<ProgramState> {
        let programs = self.shared.programs.read().unwrap_or_else(PoisonError::into_inner);
        let programs: Vec<_> = programs.values().cloned().collect();
        programs.iter().map(|program| program.state()).collect()
    }

    /// Waits until the program is as wanted, at most this long, and returns it as it is then.
    /// None when there is no such program. A program that is removed meanwhile is returned at once.
    pub fn wait(
        &self,
        id: &ProgramId,
        at_most: Duration,
        wanted: impl Fn(&ProgramState) -> bool,
    ) -> Option<ProgramState> {
        let program = self.shared.program(id)?;
        Some(program.wait(at_most, |state| state.removed || wanted(state)))
    }

    /// Whether nothing is being done about the program, nor waits to be.
    pub fn is_idle(&self, id: &ProgramId) -> bool {
        self.shared.program(id).is_none_or(|program| program.is_idle())
    }

    /// Has those who wait for the program look again: something about it has changed that is not
    /// part of its state.
    pub fn nudge(&self, id: &ProgramId) {
        if let Some(program) = self.shared.program(id) {
            program.nudge();
        }
    }

    /// Takes no more events and no more results. Called before anything is interrupted, so that no
    /// interruption is recorded as a failure.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
    }

    /// Takes no more events, cancels what is under way and waits for the threads. What was under
    /// way stays as it was recorded, to be taken up by the next supervisor.
    pub fn shutdown(&self) {
        self.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.pools.close(threads.len());
        let programs: Vec<_> = {
            let programs = self.shared.programs.read().unwrap_or_else(PoisonError::into_inner);
            programs.values().cloned().collect()
        };
        for program in programs {
            program.cancel_running();
        }
        for thread in threads {
            // A worker's panic was answered where it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shutdown();
    }
}
