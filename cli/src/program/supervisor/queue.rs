//! One program: its queue of events, its lane of effects, and the turn that reduces them.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::{Reply, Shared, SupervisorError};
use crate::program::cancel::Cancel;
use crate::program::effect::Effect;
use crate::program::event::Event;
use crate::program::id::ProgramId;
use crate::program::reducer::reduce;
use crate::program::state::{Attempt, ProgramState};

type Waiting = Sender<Result<Reply, SupervisorError>>;

/// One supervised program.
pub(super) struct Program {
    pub(super) id: ProgramId,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    state: ProgramState,
    queue: VecDeque<(Event, Option<Waiting>)>,
    /// Somebody takes events from the queue.
    attended: bool,
    lane: VecDeque<Effect>,
    /// A worker has, or will get, the lane's next effect.
    lane_busy: bool,
    /// The effect being carried out: the attempt that can be given up, and how.
    running: Option<(Option<Attempt>, Cancel)>,
    /// The last attempt that was given up.
    given_up: Option<Attempt>,
}

impl Program {
    pub(super) fn new(state: ProgramState) -> Self {
        let inner = Inner {
            queue: VecDeque::new(),
            attended: false,
            lane: VecDeque::new(),
            lane_busy: false,
            running: None,
            given_up: None,
            state,
        };
        let id = inner.state.id.clone();
        Self { id, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> ProgramState {
        self.lock().state.clone()
    }

    pub(super) fn wait(
        &self,
        at_most: Duration,
        wanted: impl Fn(&ProgramState) -> bool,
    ) -> ProgramState {
        let result =
            self.changed.wait_timeout_while(self.lock(), at_most, |inner| !wanted(&inner.state));
        result.unwrap_or_else(PoisonError::into_inner).0.state.clone()
    }

    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.lane.is_empty() && !inner.lane_busy && inner.queue.is_empty()
    }

    pub(super) fn nudge(&self) {
        // Whoever is between a look and its wait holds the lock, and so is not missed.
        drop(self.lock());
        self.changed.notify_all();
    }

    pub(super) fn cancel_running(&self) {
        if let Some((_, cancel)) = &self.lock().running {
            cancel.cancel();
        }
    }

    /// Takes the lane's next effect; the caller carries it out and then calls [`finished`].
    pub(super) fn take_effect(&self, shared: &Shared) -> Option<(Effect, Cancel)> {
        let mut inner = self.lock();
        let effect = inner.lane.pop_front()?;
        let cancel = Cancel::new();
        let attempt = effect.gives_up_with();
        // Asked under the lock, so that a shutdown either sees this effect running or is seen here.
        if shared.is_closing() || attempt.is_some_and(|attempt| inner.given_up >= Some(attempt)) {
            cancel.cancel();
        }
        inner.running = Some((attempt, cancel.clone()));
        Some((effect, cancel))
    }
}

/// Puts a request into the queue and waits until it was taken into account.
pub(super) fn ask(
    shared: &Shared,
    program: &Arc<Program>,
    event: Event,
) -> Result<Reply, SupervisorError> {
    if shared.is_closing() {
        return Err(SupervisorError::Stopped);
    }
    let (reply, answer) = bounded(1);
    {
        let mut inner = program.lock();
        if inner.queue.len() >= shared.queue || inner.lane.len() >= shared.queue {
            return Err(SupervisorError::EventQueueFull(program.id.clone()));
        }
        inner.queue.push_back((event, Some(reply)));
    }
    attend(shared, program);
    answer.recv().unwrap_or(Err(SupervisorError::Stopped))
}

/// Puts a result into the queue. Results pass its bound: there is at most one for each effect of
/// the lane, which is bounded, and one that was lost would leave its program waiting for ever.
pub(super) fn tell(shared: &Shared, program: &Arc<Program>, event: Event) {
    program.lock().queue.push_back((event, None));
    attend(shared, program);
}

/// Called when the effect that [`Program::take_effect`] gave out is done.
pub(super) fn finished(shared: &Shared, program: &Arc<Program>, result: Option<Event>) {
    program.lock().running = None;
    // While shutting down, results are left for the next supervisor to find out again.
    if let Some(event) = result.filter(|_| !shared.is_closing()) {
        tell(shared, program, event);
    }
    let mut inner = program.lock();
    inner.lane_busy = false;
    dispatch(shared, program, &mut inner);
}

/// Takes events from the queue until it is empty, unless somebody does so already.
fn attend(shared: &Shared, program: &Arc<Program>) {
    let mut inner = program.lock();
    if inner.attended {
        return;
    }
    inner.attended = true;
    while let Some((event, waiting)) = inner.queue.pop_front() {
        let before = inner.state.clone();
        drop(inner);
        let turn = take_turn(shared, &before, &event, waiting.is_some());
        inner = program.lock();
        let reply = turn.map(|(reply, effects)| {
            inner.state = reply.state.clone();
            for effect in effects {
                take_up(&mut inner, effect);
            }
            dispatch(shared, program, &mut inner);
            reply
        });
        program.changed.notify_all();
        if let Some(after) = reply.as_ref().ok().map(|reply| &reply.state).filter(|s| **s != before)
        {
            drop(inner);
            shared.ledger.applied(&before, after);
            inner = program.lock();
        }
        if let Some(waiting) = waiting {
            // Room for one answer was made, so this never waits; the asker may have gone.
            let _ = waiting.try_send(reply);
        }
    }
    inner.attended = false;
    if inner.state.removed && inner.state.containers().next().is_none() {
        drop(inner);
        shared.forget(&program.id);
    }
}

/// Reduces one event and records it, outside the program's lock.
fn take_turn(
    shared: &Shared,
    before: &ProgramState,
    event: &Event,
    is_request: bool,
) -> Result<(Reply, Vec<Effect>), SupervisorError> {
    let now = (shared.clock)();
    let after = reduce(before.clone(), event, now);
    let unchanged = after.state == *before && after.effects.is_empty();
    if !unchanged {
        let recorded = shared.ledger.record(before, event, &after, now);
        if let (Err(words), true) = (recorded, is_request) {
            return Err(SupervisorError::NotRecorded(words));
        }
    }
    Ok((Reply { state: after.state, answer: after.answer }, after.effects))
}

fn take_up(inner: &mut Inner, effect: Effect) {
    match effect {
        Effect::CancelAttempt { attempt } => {
            inner.given_up = inner.given_up.max(Some(attempt));
            if let Some((Some(running), cancel)) = &inner.running
                && *running <= attempt
            {
                cancel.cancel();
            }
        }
        // The ledger has recorded when it is due, and whoever keeps that sends `BackoffElapsed`.
        Effect::ScheduleRestart { .. } => {}
        effect => inner.lane.push_back(effect),
    }
}

/// Hands the lane to a worker, unless one has it.
fn dispatch(shared: &Shared, program: &Arc<Program>, inner: &mut Inner) {
    if inner.lane_busy {
        return;
    }
    if let Some(effect) = inner.lane.front() {
        inner.lane_busy = true;
        shared.pools.give(effect, Arc::clone(program));
    }
}
