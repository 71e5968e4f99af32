//! The reducer: every state, every event, one table.

mod closing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::brain::counters::Counters;
use crate::brain::effect::{Effect, Execution, Output, Trigger};
use crate::brain::event::{Declaration, Event, Input};
use crate::brain::message::Message;
use crate::brain::record::{Cause, Ending, Record, StateFault, Transition};
use crate::brain::recovery::RecoveryPolicy;
use crate::brain::rng::Rng;
use crate::brain::state::State;
use crate::brain::time::Time;
use crate::brain::vars::{Taken, VarId, Vars};
use closing::Closing;

/// The part of the configuration that decides transitions.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) execution_timeout: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) recovery: RecoveryPolicy,
}

/// The execution under way.
#[derive(Clone, Debug)]
struct Current {
    execution: Execution,
    timed_out: bool,
}

/// A crashed execution that waits to run again.
#[derive(Clone, Debug)]
struct Retry {
    execution: Execution,
    due: Time,
    during: State,
}

/// The state of a watcher and the one function that changes it.
#[derive(Clone, Debug)]
pub(crate) struct Brain {
    policy: Policy,
    state: State,
    session: u64,
    queue: VecDeque<Arc<Message>>,
    unserved: Vec<Arc<Message>>,
    vars: Vars,
    current: Option<Current>,
    retry: Option<Retry>,
    closing: Option<Closing>,
    expires: Option<Time>,
    stop_timed_out: bool,
    crashes_in_row: u32,
    counters: Counters,
    rng: Rng,
}

type Reduced = Result<(), StateFault>;

impl Brain {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            state: State::NotRun,
            session: 0,
            queue: VecDeque::new(),
            unserved: Vec::new(),
            vars: Vars::default(),
            current: None,
            retry: None,
            closing: None,
            expires: None,
            stop_timed_out: false,
            crashes_in_row: 0,
            counters: Counters::default(),
            rng: Rng::new(seed),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Counts the calls of `start()` that were obeyed.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    pub(crate) fn vars(&self) -> &Vars {
        &self.vars
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    #[cfg(test)]
    pub(crate) fn forbid_recovery(&mut self) {
        self.policy.recovery.max_retries = 0;
    }

    /// The execution under way.
    pub(crate) fn execution(&self) -> Option<&Execution> {
        self.current.as_ref().map(|current| &current.execution)
    }

    /// Messages that wait in the brain; the body may hold more.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Messages that were accepted and that the ended session did not serve, oldest first.
    pub(crate) fn unserved(&self) -> &[Arc<Message>] {
        &self.unserved
    }

    /// Whether the session ended because its function or cleanup did not return in time.
    pub(crate) fn stop_timed_out(&self) -> bool {
        self.stop_timed_out
    }

    /// Whether `Serve` would take a variable's update next if one were pending: what a body asks
    /// before it takes a value out of a flow, so that back-pressure reaches the sender.
    pub(crate) fn wants_vars(&self) -> bool {
        self.state == State::Ready
            && self.current.is_none()
            && self.closing.is_none()
            && self.queue.is_empty()
    }

    /// The next moment at which `Elapsed` or `Serve` would do something by time alone.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        if !self.state.is_live() {
            return None;
        }
        let mut next = self.retry.as_ref().map(|retry| retry.due);
        let mut also = |deadline: Time| {
            next = Some(next.map_or(deadline, |earlier| earlier.min(deadline)));
        };
        if let Some(current) = &self.current
            && !current.timed_out
        {
            also(current.execution.deadline);
        }
        match (&self.closing, self.expires) {
            (Some(closing), _) if self.is_busy() => also(closing.deadline),
            (None, Some(expires)) => also(expires),
            _ => {}
        }
        next
    }

    /// Takes one event. What comes of it goes to `out`.
    ///
    /// # Errors
    /// When the state does not know the event; the fault is recorded and nothing else changes.
    pub(crate) fn reduce(&mut self, event: Event, now: Time, out: &mut impl Output) -> Reduced {
        let name = event.name();
        let reduced = match event {
            Event::Start { expires } => self.start(expires, out),
            Event::Message(message) => self.message(message),
            Event::Watch(declared) => self.watch(declared, out),
            Event::Unwatch(id) => self.unwatch(id, out),
            Event::Var(id, input) => {
                self.news(id, input, out);
                Ok(())
            }
            Event::Skipped(id, ticks) => {
                self.counters.skipped_ticks += self.vars.skip(id, ticks);
                Ok(())
            }
            Event::Serve => {
                self.serve(now, out);
                Ok(())
            }
            Event::Returned { execution, ending } => self.returned(execution, ending, now, out),
            Event::CleanedUp { problem } => self.cleaned_up(problem, out),
            Event::Stop(request) => self.stop(request, now, out),
            Event::Kill { reason } => self.kill(Cause::Kill(reason), out),
            Event::Elapsed => {
                self.elapsed(now, out);
                Ok(())
            }
        };
        reduced.map_err(|()| {
            let fault = StateFault { state: self.state, event: name };
            self.counters.state_faults += 1;
            out.record(Record::Fault(fault.clone()));
            fault
        })
    }

    fn live(&self) -> Result<(), ()> {
        if self.state.is_live() { Ok(()) } else { Err(()) }
    }

    fn transition(&mut self, to: State, cause: Cause, out: &mut impl Output) {
        let from = std::mem::replace(&mut self.state, to);
        out.record(Record::Transition(Transition { from, to, cause }));
    }

    fn start(&mut self, expires: Option<Time>, out: &mut impl Output) -> Result<(), ()> {
        if !matches!(self.state, State::NotRun | State::Stopped) {
            return Err(());
        }
        debug_assert!(self.current.is_none() && self.closing.is_none() && self.retry.is_none());
        self.session += 1;
        self.expires = expires;
        self.stop_timed_out = false;
        self.queue.clear();
        self.unserved.clear();
        self.vars = self.vars.renewed();
        self.crashes_in_row = 0;
        self.counters = Counters::default();
        self.transition(State::InitRun, Cause::Start, out);
        Ok(())
    }

    /// A message accepted before the end but fed after it is kept as unserved, not lost.
    fn message(&mut self, message: Arc<Message>) -> Result<(), ()> {
        match self.state {
            State::NotRun => return Err(()),
            state if state.is_terminal() => self.unserved.push(message),
            _ => self.queue.push_back(message),
        }
        Ok(())
    }

    /// Only a running function can watch, and only while its session lasts.
    fn watch(&mut self, declared: Declaration, out: &mut impl Output) -> Result<(), ()> {
        if self.current.is_none() {
            return Err(());
        }
        self.live()?;
        let id = self.vars.register(declared).ok_or(())?;
        out.effect(Effect::Watch(id));
        Ok(())
    }

    fn unwatch(&mut self, id: VarId, out: &mut impl Output) -> Result<(), ()> {
        if !self.vars.remove(id) {
            return Err(());
        }
        out.effect(Effect::Unwatch(id));
        Ok(())
    }

    /// News of a variable that is no longer watched came too late to matter: not a fault.
    fn news(&mut self, id: VarId, input: Input, out: &mut impl Output) {
        let polled = !matches!(input, Input::Closed);
        if let Taken::Failed(name, error) = self.vars.take(id, input) {
            self.counters.watch_errors += u64::from(polled);
            out.record(Record::WatchError { name, error });
        }
    }

    /// Begins the next piece of work: an ending first, then retries, messages, variables.
    fn serve(&mut self, now: Time, out: &mut impl Output) {
        if !self.state.is_live() || self.is_busy() {
            return;
        }
        if self.closing.as_ref().is_some_and(|closing| !self.drains(closing, now)) {
            return self.clean_up(now, out);
        }
        match self.state {
            State::InitRun => self.begin(1, Trigger::Init, None, now, out),
            State::Ready => self.serve_signals(now, out),
            _ => self.serve_retry(now, out),
        }
    }

    fn serve_signals(&mut self, now: Time, out: &mut impl Output) {
        if let Some(message) = self.queue.pop_front() {
            self.transition(State::Running, Cause::Message(message.id()), out);
            self.begin(1, Trigger::Message, Some(message), now, out);
        } else if self.vars.pending() > 0 {
            let changes = self.vars.apply();
            let names = self.vars.names_of(&changes);
            self.transition(State::Running, Cause::Vars { names, more: 0 }, out);
            self.begin(1, Trigger::Vars(changes), None, now, out);
        }
    }

    fn serve_retry(&mut self, now: Time, out: &mut impl Output) {
        if let Some(retry) = self.retry.take_if(|retry| retry.due <= now) {
            self.counters.retries += 1;
            let Execution { attempt, trigger, message, .. } = retry.execution;
            self.transition(retry.during, Cause::Retry(attempt), out);
            self.begin(attempt + 1, trigger, message, now, out);
        }
    }

    fn is_busy(&self) -> bool {
        self.current.is_some() || self.closing.as_ref().is_some_and(|closing| closing.cleaning)
    }

    fn begin(
        &mut self,
        attempt: u32,
        trigger: Trigger,
        message: Option<Arc<Message>>,
        now: Time,
        out: &mut impl Output,
    ) {
        debug_assert!(self.current.is_none(), "never two executions at once");
        self.counters.executions += 1;
        let number = self.counters.executions;
        let ((shown, more), message_id) =
            (trigger.shortened(), message.as_deref().map(Message::id));
        out.record(Record::Began {
            execution: number,
            attempt,
            trigger: shown,
            more,
            message: message_id,
        });
        let deadline = now + self.policy.execution_timeout;
        let execution = Execution { number, attempt, trigger, message, started: now, deadline };
        self.current = Some(Current { execution, timed_out: false });
        out.effect(Effect::Execute);
    }

    fn returned(
        &mut self,
        number: u64,
        ending: Ending,
        now: Time,
        out: &mut impl Output,
    ) -> Result<(), ()> {
        let Some(current) = self.current.take_if(|current| current.execution.number == number)
        else {
            return Err(());
        };
        let Current { execution, mut timed_out } = current;
        if !timed_out && now >= execution.deadline {
            timed_out = true;
            self.counters.timeouts += 1;
        }
        self.count(&ending);
        let took = now - execution.started;
        self.counters.execution_time.add(took);
        out.record(Record::Ended { execution: number, ending: ending.clone(), took, timed_out });
        if self.state.is_live() {
            self.conclude(execution, ending, now, out);
        }
        Ok(())
    }

    fn count(&mut self, ending: &Ending) {
        match ending {
            Ending::Done => self.crashes_in_row = 0,
            Ending::Failed(_) => self.counters.errors += 1,
            Ending::Crash(_) | Ending::Panicked(_) => {
                self.counters.crashes += 1;
                self.crashes_in_row = self.crashes_in_row.saturating_add(1);
            }
            Ending::Stop(_) | Ending::Kill(_) => {}
        }
        if let Some(words) = ending.words() {
            self.counters.last_error = Some(words);
        }
    }

    /// What the end of an execution means for the state.
    fn conclude(&mut self, execution: Execution, ending: Ending, now: Time, out: &mut impl Output) {
        let drains = self.closing.as_ref().is_none_or(|closing| closing.drain);
        match ending {
            Ending::Kill(reason) => {
                // A live state always allows a kill.
                let _ = self.kill(Cause::Kill(reason), out);
            }
            Ending::Done if drains => self.transition(State::Ready, Cause::Returned, out),
            Ending::Failed(_) if drains => self.transition(State::Ready, Cause::Failed, out),
            Ending::Stop(reason) => self.close(State::Stopped, Cause::Stop(reason), now, out),
            Ending::Crash(words) | Ending::Panicked(words) if self.closing.is_none() => {
                self.crash(execution, words, now, out);
            }
            // Stopping: `Serve` comes next and cleans up.
            _ => {
                if let Some(closing) = &mut self.closing {
                    closing.drain = false;
                }
            }
        }
    }

    fn crash(&mut self, execution: Execution, words: Arc<str>, now: Time, out: &mut impl Output) {
        match self.policy.recovery.delay(self.crashes_in_row, &mut self.rng) {
            Some(delay) => {
                let during = self.state;
                self.transition(State::Crashed, Cause::Crash(Arc::clone(&words)), out);
                self.transition(State::WaitRecover, Cause::Crash(words), out);
                self.retry = Some(Retry { execution, due: now + delay, during });
            }
            None => self.close(State::Crashed, Cause::Crash(words), now, out),
        }
    }
}
