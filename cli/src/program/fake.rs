//! An effect handler without an engine: scripted, for tests of what stands on the domain.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cancel::Cancel;
use super::effect::Effect;
use super::event::Event;
use super::id::ProgramId;
use super::state::{Attempt, ContainerId, Exit, ImageId};
use super::supervisor::EffectHandler;

/// How one effect goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It works at once.
    Work,
    /// It fails with these words.
    Fail(String),
    /// It works after this long, unless it is cancelled before.
    Delay(Duration),
    /// It works after [`FakeHandler::release`], unless it is cancelled before.
    Hold,
    /// As `Hold`, but a cancellation goes unheard: it works all the same.
    HoldDeaf,
    /// The handler panics.
    Panic,
}

#[derive(Default)]
struct Inner {
    script: BTreeMap<&'static str, VecDeque<Step>>,
    releases: BTreeMap<&'static str, usize>,
    /// Containers that exist: whose they are, of which start, and whether they run.
    containers: BTreeMap<ContainerId, (ProgramId, Attempt, bool)>,
    made: u32,
    done: Vec<(ProgramId, &'static str)>,
    begun: Vec<(ProgramId, &'static str)>,
}

/// Carries effects out in memory, as its script says. Clones share everything. Usable from any
/// thread.
///
/// ```
/// use hersh_cli::program::{FakeHandler, Step};
/// let handler = FakeHandler::new();
/// handler.script("BuildRuntime", [Step::Fail("no such base image".into()), Step::Work]);
/// ```
#[derive(Clone, Default)]
pub struct FakeHandler {
    shared: Arc<(Mutex<Inner>, Condvar)>,
}

impl FakeHandler {
    /// Everything works at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the next effects of this name do; afterwards they work again.
    pub fn script(&self, effect: &'static str, steps: impl IntoIterator<Item = Step>) {
        self.lock().script.entry(effect).or_default().extend(steps);
    }

    /// Lets one held effect of this name go on, now or when it comes.
    pub fn release(&self, effect: &'static str) {
        *self.lock().releases.entry(effect).or_default() += 1;
        self.shared.1.notify_all();
    }

    /// Waits until `count` effects of this name have begun, at most this long; tells whether so.
    pub fn wait_begun(&self, effect: &'static str, count: usize, at_most: Duration) -> bool {
        let too_few = |inner: &mut Inner| {
            inner.begun.iter().filter(|(_, name)| *name == effect).count() < count
        };
        let waited = self.shared.1.wait_timeout_while(self.lock(), at_most, too_few);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The names of the effects that were carried out for this program, in order.
    pub fn done(&self, id: &ProgramId) -> Vec<&'static str> {
        self.lock().done.iter().filter(|(of, _)| of == id).map(|(_, name)| *name).collect()
    }

    /// The containers that exist, with whether they run.
    pub fn containers(&self) -> Vec<(ContainerId, bool)> {
        self.lock().containers.iter().map(|(id, (.., runs))| (id.clone(), *runs)).collect()
    }

    /// Ends a container as if its program had exited.
    pub fn kill(&self, container: &ContainerId) {
        if let Some((.., runs)) = self.lock().containers.get_mut(container) {
            *runs = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays the next step of the script; the words of a failure if it fails.
    fn play(&self, effect: &Effect, cancel: &Cancel) -> Result<(), String> {
        let name = effect.name();
        let step = self.lock().script.get_mut(name).and_then(VecDeque::pop_front);
        let cancelled = || Err("cancelled".to_owned());
        match step.unwrap_or(Step::Work) {
            Step::Work if cancel.is_cancelled() && effect.gives_up_with().is_some() => cancelled(),
            Step::Fail(words) => Err(words),
            Step::Delay(time) if cancel.wait(time) => cancelled(),
            Step::Work | Step::Delay(_) => Ok(()),
            Step::Hold if self.held(name, Some(cancel)) => Ok(()),
            Step::Hold => cancelled(),
            Step::HoldDeaf => {
                self.held(name, None);
                Ok(())
            }
            Step::Panic => std::panic::panic_any("scripted"),
        }
    }

    /// Waits for a release; false when it was cancelled instead.
    fn held(&self, name: &'static str, cancel: Option<&Cancel>) -> bool {
        let mut inner = self.lock();
        loop {
            if let Some(left) = inner.releases.get_mut(name).filter(|left| **left > 0) {
                *left -= 1;
                return true;
            }
            if cancel.is_some_and(Cancel::is_cancelled) {
                return false;
            }
            // A cancellation cannot wake a condition variable, so it is asked for now and then.
            let pause = Duration::from_millis(5);
            let waited = self.shared.1.wait_timeout(inner, pause);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run(&self, id: &ProgramId, attempt: Attempt) -> Event {
        let mut inner = self.lock();
        inner.made += 1;
        let text = format!("{:064x}", inner.made);
        match text.parse::<ContainerId>() {
            Ok(container_id) => {
                inner.containers.insert(container_id.clone(), (id.clone(), attempt, true));
                Event::RuntimeStarted { attempt, container_id }
            }
            Err(error) => Event::StartFailed { attempt, reason: error.to_string() },
        }
    }

    fn status(&self, attempt: Attempt, container: &ContainerId) -> Option<Event> {
        let code = match self.lock().containers.get(container) {
            Some((.., true)) => return None,
            Some(_) => Some(1),
            None => None,
        };
        let exit = Exit { code, out_of_memory: false, last_lines: vec!["the last line".into()] };
        Some(Event::RuntimeExited { attempt, container_id: container.clone(), exit })
    }
}

impl EffectHandler for FakeHandler {
    fn execute(&self, id: &ProgramId, effect: &Effect, cancel: &Cancel) -> Option<Event> {
        self.lock().begun.push((id.clone(), effect.name()));
        self.shared.1.notify_all();
        let played = self.play(effect, cancel);
        self.lock().done.push((id.clone(), effect.name()));
        if let Err(words) = played {
            return effect.failed(words);
        }
        match effect {
            Effect::EnsureProgramFolders { attempt } => {
                Some(Event::FoldersEnsured { attempt: *attempt, error: None })
            }
            Effect::BuildRuntime { attempt } => {
                let image: Result<ImageId, _> = format!("sha256:{:064x}", attempt.0).parse();
                let outcome = image.map_err(|error| error.to_string());
                Some(Event::BuildFinished { attempt: *attempt, outcome })
            }
            Effect::StartRuntime { attempt, .. } => Some(self.run(id, *attempt)),
            Effect::StopRuntime { container_id } => {
                self.lock().containers.remove(container_id);
                Some(Event::StopFinished { container_id: container_id.clone(), error: None })
            }
            Effect::FetchRuntimeStatus { attempt, container_id } => {
                self.status(*attempt, container_id)
            }
            Effect::RemoveProgram { .. } => {
                self.lock().containers.retain(|_, (of, ..)| of != id);
                Some(Event::RemoveFinished { error: None })
            }
            Effect::CancelAttempt { .. } | Effect::ScheduleRestart { .. } => None,
        }
    }
}
