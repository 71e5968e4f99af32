//! The rules: a program and an event in, the next program and what has to be done out.
//!
//! The seed's table (003, "State Transitions") with what it leaves open made definite:
//!
//! - a restart remembers the wish: what the owner last asked for decides where Stopping leads;
//! - a start while containers are left over stops them first, so that two never share `/state`;
//! - results carry their attempt; those of an older one change nothing, except that a container
//!   which nobody waits for is stopped;
//! - a stop while building or starting leads to Stopped at once and gives the attempt up;
//! - a program that stops answering is Starting again, with its container, until it answers; one that
//!   does not in the time that a start may take has failed, and its container is stopped.
mod take_up;

use super::answer::{Answer, Reduced, Refusal};
use super::effect::Effect;
use super::event::Event;
use super::state::{
    Attempt, ContainerId, Desired, Exit, ImageId, Millis, PendingRestart, ProgramState, State,
    quoted,
};

/// Takes one event into account. Pure: the same three inputs give the same result.
///
/// `now` is the moment at which the event is taken from its queue.
///
/// ```
/// use hersh_cli::program::{Effect, Event, ProgramState, RestartPolicy, State, reduce};
/// let id = "alice-build-0123456789ab-deadbeef".parse().unwrap();
/// let created = ProgramState::new(id, RestartPolicy::default());
/// let next = reduce(created, &Event::UserStartRequested, 0);
/// assert_eq!(next.state.state, State::Building);
/// assert!(matches!(next.effects[0], Effect::EnsureProgramFolders { .. }));
/// ```
pub fn reduce(state: ProgramState, event: &Event, now: Millis) -> Reduced {
    let mut step = Step { p: state, now, effects: Vec::new() };
    let answer = match event {
        Event::UserStartRequested => step.user_start(),
        Event::UserStopRequested => step.user_stop(),
        Event::UserRestartRequested => step.user_restart(),
        Event::UserDeleteRequested { purge } => step.user_delete(*purge),
        Event::FoldersEnsured { attempt, error } => step.folders(*attempt, error.as_deref()),
        Event::BuildFinished { attempt, outcome } => step.built(*attempt, outcome.as_ref()),
        Event::RuntimeStarted { attempt, container_id } => step.started(*attempt, container_id),
        Event::StartFailed { attempt, reason } => step.start_failed(*attempt, reason),
        Event::RuntimeExited { attempt, container_id, exit } => {
            step.exited(*attempt, container_id, exit)
        }
        Event::RuntimeSilent { attempt, container_id, reason } => {
            step.silent(*attempt, container_id, reason)
        }
        Event::RuntimeAnswered { attempt, container_id } => step.answered(*attempt, container_id),
        Event::SilenceElapsed { attempt, container_id, last_lines } => {
            step.silence_elapsed(*attempt, container_id, last_lines)
        }
        Event::StopFinished { container_id, error } => {
            step.stop_finished(container_id, error.as_deref())
        }
        Event::BackoffElapsed { attempt } => step.backoff_elapsed(*attempt),
        Event::RemoveFinished { error } => step.remove_finished(error.as_deref()),
        Event::RuntimeCheckRequested { unknown } => step.check(unknown),
        Event::HostStarted { found } => step.host_started(found),
    };
    Reduced { state: step.p, effects: step.effects, answer }
}

/// One reduction under way.
struct Step {
    p: ProgramState,
    now: Millis,
    effects: Vec<Effect>,
}

impl Step {
    fn user_start(&mut self) -> Answer {
        if let Some(refusal) = self.removal() {
            return Answer::Refused(refusal);
        }
        match self.p.state {
            State::Created | State::Stopped | State::Error => {
                self.p.desired = Desired::Ready;
                self.p.restarts = 0;
                self.p.exit = None;
                self.clear_then_settle();
                Answer::Applied
            }
            State::Building | State::Starting => Answer::Refused(Refusal::AlreadyStarting),
            State::Ready => Answer::Refused(Refusal::AlreadyReady),
            State::Stopping => Answer::Refused(Refusal::StillStopping),
        }
    }

    fn user_restart(&mut self) -> Answer {
        if self.removal().is_none() && self.p.is_up() {
            self.p.restarts = 0;
            self.p.exit = None;
            self.clear_then_settle();
            return Answer::Applied;
        }
        self.user_start()
    }

    fn user_stop(&mut self) -> Answer {
        if let Some(refusal) = self.removal() {
            return Answer::Refused(refusal);
        }
        match self.p.state {
            State::Created | State::Stopped => return Answer::Refused(Refusal::NotRunning),
            State::Stopping if self.p.desired == Desired::Stopped => {
                return Answer::Refused(Refusal::AlreadyStopping);
            }
            // A restart under way becomes a stop.
            State::Stopping => self.p.desired = Desired::Stopped,
            State::Building | State::Starting if !self.p.is_silent() => {
                self.p.desired = Desired::Stopped;
                self.give_up_attempt();
                self.p.state = State::Stopped;
            }
            State::Building | State::Starting | State::Ready | State::Error => {
                self.p.desired = Desired::Stopped;
                self.clear_then_settle();
            }
        }
        Answer::Applied
    }

    fn user_delete(&mut self, purge: bool) -> Answer {
        if self.p.removed {
            return Answer::Refused(Refusal::Removed);
        }
        if self.p.desired.is_removal() && self.p.state == State::Stopping {
            return Answer::Refused(Refusal::BeingRemoved);
        }
        self.p.desired = if purge { Desired::Purged } else { Desired::Removed };
        match self.p.state {
            // Its container is on its way out already; what follows has just changed.
            State::Stopping => {}
            State::Building | State::Starting if !self.p.is_silent() => {
                self.give_up_attempt();
                self.clear_then_settle();
            }
            _ => self.clear_then_settle(),
        }
        Answer::Applied
    }

    fn folders(&mut self, attempt: Attempt, error: Option<&str>) -> Answer {
        if self.p.state != State::Building || attempt != self.p.attempt {
            return Answer::Stale;
        }
        if let Some(error) = error {
            self.give_up_attempt();
            self.fail(format!("the program's folders could not be made: {error}"));
        }
        Answer::Applied
    }

    fn built(&mut self, attempt: Attempt, outcome: Result<&ImageId, &String>) -> Answer {
        if self.p.state != State::Building || attempt != self.p.attempt {
            return Answer::Stale;
        }
        match outcome {
            Ok(image) => {
                self.p.image_id = Some(image.clone());
                self.p.state = State::Starting;
                self.effects.push(Effect::StartRuntime { attempt, image_id: image.clone() });
            }
            Err(error) => self.fail(format!("the build failed: {error}")),
        }
        Answer::Applied
    }

    fn started(&mut self, attempt: Attempt, container: &ContainerId) -> Answer {
        let awaited = self.p.state == State::Starting && !self.p.is_silent();
        if awaited && attempt == self.p.attempt {
            self.p.strays.retain(|stray| stray != container);
            self.p.container_id = Some(container.clone());
            self.ready();
            let container_id = container.clone();
            // It may have ended between its first answer and now.
            self.effects.push(Effect::FetchRuntimeStatus { attempt, container_id });
            return Answer::Applied;
        }
        if self.p.container_id.as_ref() != Some(container) {
            self.add_stray(container);
            self.stop(container);
        }
        Answer::Stale
    }

    fn start_failed(&mut self, attempt: Attempt, reason: &str) -> Answer {
        let awaited = self.p.state == State::Starting && !self.p.is_silent();
        if !awaited || attempt != self.p.attempt {
            return Answer::Stale;
        }
        self.fail(format!("the start failed: {reason}"));
        self.plan_restart(true);
        Answer::Applied
    }

    fn exited(&mut self, attempt: Attempt, container: &ContainerId, exit: &Exit) -> Answer {
        if !self.is_own(attempt, container) {
            return Answer::Stale;
        }
        self.end_row_if_stable();
        self.lose(container, exit.to_string(), exit.clone());
        self.plan_restart(exit.code != Some(0));
        Answer::Applied
    }

    fn silent(&mut self, attempt: Attempt, container: &ContainerId, reason: &str) -> Answer {
        if self.p.state != State::Ready || !self.is_own(attempt, container) {
            return Answer::Stale;
        }
        self.end_row_if_stable();
        self.p.state = State::Starting;
        self.p.ready_since = None;
        self.p.error_msg = Some(reason.to_owned());
        Answer::Applied
    }

    fn answered(&mut self, attempt: Attempt, container: &ContainerId) -> Answer {
        if !self.p.is_silent() || !self.is_own(attempt, container) {
            return Answer::Stale;
        }
        self.ready();
        Answer::Applied
    }

    fn silence_elapsed(
        &mut self,
        attempt: Attempt,
        container: &ContainerId,
        last_lines: &[String],
    ) -> Answer {
        if !self.p.is_silent() || !self.is_own(attempt, container) {
            return Answer::Stale;
        }
        let said = self.p.error_msg.take().unwrap_or_default();
        let words = format!("{said}, and was stopped{}", quoted(last_lines));
        let exit = Exit { code: None, out_of_memory: false, last_lines: last_lines.to_vec() };
        self.lose(container, words, exit);
        self.plan_restart(true);
        Answer::Applied
    }

    fn stop_finished(&mut self, container: &ContainerId, error: Option<&str>) -> Answer {
        if !self.p.containers().any(|known| known == container) {
            return Answer::Stale;
        }
        let current = self.p.container_id.as_ref() == Some(container);
        if self.p.is_up() && current {
            // Nobody asked for this; what became of the container is looked at, not assumed.
            return self.check(&[]);
        }
        if error.is_none() {
            self.forget(container);
        }
        match (self.p.state, error) {
            (State::Stopping, Some(error)) => {
                self.fail(format!("container {container} could not be stopped: {error}"));
                // It was on its way to a start, which is not to be forgotten for that.
                if self.p.desired == Desired::Ready {
                    self.plan_restart(true);
                }
            }
            (State::Stopping, None) if self.p.containers().next().is_none() => self.settle(),
            // Elsewhere a container that would not go stays on the list and is tried again at the
            // next check, stop, start or delete.
            _ => {}
        }
        Answer::Applied
    }

    fn backoff_elapsed(&mut self, attempt: Attempt) -> Answer {
        let due = self.p.state == State::Error
            && self.p.pending_restart.is_some_and(|pending| pending.after == attempt);
        if !due {
            return Answer::Stale;
        }
        self.p.restarts = self.p.restarts.saturating_add(1);
        self.clear_then_settle();
        Answer::Applied
    }

    fn remove_finished(&mut self, error: Option<&str>) -> Answer {
        let awaited = self.p.state == State::Stopping
            && self.p.desired.is_removal()
            && self.p.containers().next().is_none();
        if !awaited {
            return Answer::Stale;
        }
        if let Some(error) = error {
            self.fail(format!("the program could not be removed: {error}"));
        } else {
            self.p.state = State::Stopped;
            self.p.removed = true;
        }
        Answer::Applied
    }

    fn check(&mut self, unknown: &[ContainerId]) -> Answer {
        let attempt = self.p.attempt;
        if let Some(container_id) = self.p.container_id.clone().filter(|_| self.p.is_up()) {
            self.effects.push(Effect::FetchRuntimeStatus { attempt, container_id });
        }
        let known: Vec<_> = match self.p.state {
            // Those that are known are being stopped already.
            State::Stopping => vec![],
            State::Ready | State::Starting => self.p.strays.clone(),
            // One that would not stop is still the program's own.
            _ => self.p.containers().cloned().collect(),
        };
        // One that is just being started is not known yet; its start tells of it.
        let starting =
            matches!(self.p.state, State::Building | State::Starting) && !self.p.is_silent();
        let news: Vec<_> = unknown
            .iter()
            .filter(|id| !starting && !self.p.containers().any(|known| known == *id))
            .cloned()
            .collect();
        for container in &news {
            self.add_stray(container);
        }
        for container in known.iter().chain(&news) {
            self.stop(container);
        }
        Answer::Applied
    }

    /// Whether this is the container that the program runs in, or ran in until it is told otherwise.
    fn is_own(&self, attempt: Attempt, container: &ContainerId) -> bool {
        self.p.is_up()
            && attempt == self.p.attempt
            && self.p.container_id.as_ref() == Some(container)
    }

    /// The refusal of every request but delete once removal was asked for.
    fn removal(&self) -> Option<Refusal> {
        match (self.p.removed, self.p.desired.is_removal()) {
            (true, _) => Some(Refusal::Removed),
            (false, true) => Some(Refusal::BeingRemoved),
            (false, false) => None,
        }
    }

    /// Stops whatever is there, then goes where the owner wants it.
    fn clear_then_settle(&mut self) {
        self.p.pending_restart = None;
        self.p.ready_since = None;
        if self.p.containers().next().is_none() {
            self.settle();
        } else {
            self.p.state = State::Stopping;
            self.stop_all();
        }
    }

    /// Goes where the owner wants it; nothing of it runs.
    fn settle(&mut self) {
        debug_assert!(self.p.containers().next().is_none(), "a container would have no owner");
        match self.p.desired {
            Desired::Stopped => self.p.state = State::Stopped,
            Desired::Ready => {
                self.p.attempt = self.p.attempt.next();
                self.p.state = State::Building;
                self.p.error_msg = None;
                self.build();
            }
            Desired::Removed | Desired::Purged => {
                self.p.state = State::Stopping;
                let purge = self.p.desired == Desired::Purged;
                self.effects.push(Effect::RemoveProgram { purge });
            }
        }
    }

    fn build(&mut self) {
        let attempt = self.p.attempt;
        self.effects.push(Effect::EnsureProgramFolders { attempt });
        self.effects.push(Effect::BuildRuntime { attempt });
    }

    fn ready(&mut self) {
        self.p.state = State::Ready;
        self.p.ready_since = Some(self.now);
        self.p.error_msg = None;
    }

    /// A run that was stable ends a row of restarts.
    fn end_row_if_stable(&mut self) {
        let since = self.p.ready_since.unwrap_or(self.now);
        if self.p.policy.was_stable(since, self.now) {
            self.p.restarts = 0;
        }
    }

    /// The program runs no more. What is left of its container still bears its name, and goes.
    fn lose(&mut self, container: &ContainerId, words: String, exit: Exit) {
        self.fail(words);
        self.p.exit = Some(exit);
        self.p.container_id = None;
        self.add_stray(container);
        self.stop(container);
    }

    fn give_up_attempt(&mut self) {
        self.effects.push(Effect::CancelAttempt { attempt: self.p.attempt });
    }

    fn fail(&mut self, words: String) {
        self.p.state = State::Error;
        self.p.error_msg = Some(words);
        self.p.ready_since = None;
    }

    fn plan_restart(&mut self, failed: bool) {
        let Some(delay_ms) = self.p.policy.delay(failed, self.p.restarts) else { return };
        let after = self.p.attempt;
        let due_at = self.now.saturating_add(delay_ms);
        self.p.pending_restart = Some(PendingRestart { after, due_at });
        self.effects.push(Effect::ScheduleRestart { attempt: after, delay_ms });
    }

    fn reschedule(&mut self) {
        if let (State::Error, Some(pending)) = (self.p.state, self.p.pending_restart) {
            let delay_ms = pending.due_at.saturating_sub(self.now);
            self.effects.push(Effect::ScheduleRestart { attempt: pending.after, delay_ms });
        }
    }

    fn add_stray(&mut self, container: &ContainerId) {
        if !self.p.strays.contains(container) {
            self.p.strays.push(container.clone());
        }
    }

    fn forget(&mut self, container: &ContainerId) {
        self.p.strays.retain(|stray| stray != container);
        self.p.container_id.take_if(|current| current == container);
    }

    fn stop(&mut self, container: &ContainerId) {
        self.effects.push(Effect::StopRuntime { container_id: container.clone() });
    }

    fn stop_all(&mut self) {
        let all: Vec<_> = self.p.containers().cloned().collect();
        for container in all {
            self.stop(&container);
        }
    }
}
