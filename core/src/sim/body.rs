//! One watcher's share of a simulation.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::trace::TraceEntry;
use super::world::{MOST_ROUNDS, World, wall};
use crate::brain::{Event, Input, Time, Transition, Value, VarId};
use crate::drive::{
    Awaited, Body, Cell, Due, Feed, FlowSource, Inner, Polled, Rest, Schedule, Source, Woken, lock,
    take_from,
};
use crate::sync::Mutex;
use crate::watcher::Tick;

/// A body without threads.
pub(super) struct SimBody {
    world: Arc<World>,
    pub(super) member: Arc<Member>,
}

/// What the world drives.
///
/// Its lock is never held while the cell's is taken: the cell calls it the other way round.
pub(super) struct Member {
    inputs: Mutex<Inputs>,
}

#[derive(Default)]
struct Inputs {
    cell: Option<Weak<Cell>>,
    session: u64,
    schedule: Schedule,
    timed: HashMap<VarId, Timed>,
    flows: Vec<(VarId, Arc<dyn FlowSource>, bool)>,
    /// Results on their way, by the moment at which they arrive.
    news: Vec<(Time, VarId, Input)>,
    scripts: HashMap<String, Script>,
}

/// A polled or timed variable.
struct Timed {
    name: Arc<str>,
    /// Away while it is being called; a timer has none.
    polled: Option<Polled>,
    is_tick: bool,
    claimed: bool,
}

/// What a test has arranged for a variable.
#[derive(Default)]
pub(super) struct Script {
    pub(super) results: VecDeque<Result<Value, Arc<str>>>,
    pub(super) delay: Duration,
}

impl SimBody {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let member = Arc::new(Member { inputs: Mutex::default() });
        Self { world: Arc::clone(world), member }
    }
}

impl Member {
    fn cell(&self) -> Option<Arc<Cell>> {
        lock(&self.inputs).cell.as_ref().and_then(Weak::upgrade)
    }

    pub(super) fn is_of(&self, cell: &Arc<Cell>) -> bool {
        self.cell().is_some_and(|own| Arc::ptr_eq(&own, cell))
    }

    /// Whether its watcher was started and has been dropped.
    pub(super) fn is_gone(&self) -> bool {
        lock(&self.inputs).cell.as_ref().is_some_and(|cell| cell.strong_count() == 0)
    }

    pub(super) fn script(&self, name: &str, change: impl FnOnce(&mut Script)) {
        change(lock(&self.inputs).scripts.entry(name.to_owned()).or_default());
    }

    pub(super) fn next_event(&self) -> Option<Time> {
        let deadline = self.cell().and_then(|cell| cell.lock().brain.next_deadline());
        let mut inputs = lock(&self.inputs);
        let due = inputs.schedule.next_due();
        let news = inputs.news.iter().map(|(at, _, _)| *at).min();
        [deadline, due, news].into_iter().flatten().min()
    }

    /// Runs the polls that are due and looks at the deadlines.
    pub(super) fn poll_due(&self, now: Time) {
        let Some(cell) = self.cell() else { return };
        loop {
            let Some(due) = lock(&self.inputs).schedule.take(now) else { break };
            let skipped = due.missed + u64::from(!self.poll_one(due, now, &cell));
            if skipped > 0 {
                // Skipped ticks are known in every state.
                let _ = cell.feed(Event::Skipped(due.id, skipped));
            }
        }
        cell.elapse();
    }

    /// Polls one variable; `false` when its last update is still pending.
    fn poll_one(&self, due: Due, now: Time, cell: &Cell) -> bool {
        let mut inputs = lock(&self.inputs);
        let Some(timed) = inputs.timed.get_mut(&due.id) else { return true };
        if std::mem::replace(&mut timed.claimed, true) {
            return false;
        }
        if timed.is_tick {
            let tick = Tick::new(due.tick, cell.body.wall(due.at));
            inputs.news.push((now, due.id, Input::Value(Value::new(tick))));
            return true;
        }
        let Some(mut polled) = timed.polled.take() else { return true };
        let name = Arc::clone(&timed.name);
        let (scripted, delay) = match inputs.scripts.get_mut(&*name) {
            Some(script) => (script.results.pop_front(), script.delay),
            None => (None, Duration::ZERO),
        };
        drop(inputs);
        let input = match scripted {
            Some(Ok(value)) => {
                check_type(cell, due.id, &value);
                polled.bring(value)
            }
            Some(Err(words)) => Input::Failed(words),
            None => polled.once(),
        };
        let mut inputs = lock(&self.inputs);
        // It may have been unwatched by its own poll.
        if let Some(timed) = inputs.timed.get_mut(&due.id) {
            timed.polled = Some(polled);
            inputs.news.push((now + delay, due.id, input));
        }
        true
    }

    /// Steps its watcher until it waits; whether it did anything.
    pub(super) fn step(&self) -> bool {
        let Some(cell) = self.cell() else { return false };
        let session = lock(&self.inputs).session;
        match cell.advance(session, MOST_ROUNDS) {
            (_, Rest::NotYet) => panic!(
                "{:?} has run a million times in a row at {} and has not come to rest: does it ask \
                 for its own next execution?",
                cell.name,
                cell.body.now()
            ),
            (steps, Rest::Wait { .. } | Rest::End) => steps > 0,
        }
    }
}

/// An injected value of another type could never be read: better a panic in the test than that.
fn check_type(cell: &Cell, id: VarId, value: &Value) {
    let inner = cell.lock();
    let Some(var) = inner.brain.vars().get(id) else { return };
    let (name, expected, injected) = (Arc::clone(&var.name), var.type_name, value.type_name());
    drop(inner);
    assert!(expected == injected, "{name:?} is a {expected}; a {injected} was injected");
}

impl Body for SimBody {
    fn now(&self) -> Time {
        self.world.now()
    }

    fn wall(&self, at: Time) -> SystemTime {
        wall(at)
    }

    fn attach(&self, cell: &Arc<Cell>) {
        lock(&self.member.inputs).cell = Some(Arc::downgrade(cell));
    }

    fn begin(&self, _: &Arc<Cell>, session: u64) -> io::Result<()> {
        lock(&self.member.inputs).session = session;
        Ok(())
    }

    fn wake(&self) {}

    fn alarm(&self, _: Time) {}

    fn watch(&self, id: VarId, name: &Arc<str>, feed: Feed) {
        let now = self.now();
        let mut inputs = lock(&self.member.inputs);
        let (polled, first, every) = match feed.source {
            Source::Flow { flow, latest } => return inputs.flows.push((id, flow, latest)),
            Source::Poll { every, poll } => (Some(Polled::new(poll)), now, every),
            Source::Tick { every } => (None, now + every, every),
        };
        let is_tick = polled.is_none();
        inputs.schedule.set(id, first, every);
        inputs.timed.insert(id, Timed { name: Arc::clone(name), polled, is_tick, claimed: false });
    }

    fn unwatch(&self, id: VarId) {
        let mut inputs = lock(&self.member.inputs);
        inputs.schedule.remove(id);
        inputs.timed.remove(&id);
        inputs.flows.retain(|(flow, _, _)| *flow != id);
        inputs.news.retain(|(_, var, _)| *var != id);
    }

    fn settled(&self, ids: &mut dyn Iterator<Item = VarId>) {
        let mut inputs = lock(&self.member.inputs);
        for id in ids {
            if let Some(timed) = inputs.timed.get_mut(&id) {
                timed.claimed = false;
            }
        }
    }

    fn inputs(&self, flows: bool, feed: &mut dyn FnMut(VarId, Input)) {
        let now = self.now();
        let mut inputs = lock(&self.member.inputs);
        let waiting = std::mem::take(&mut inputs.news);
        for (at, id, input) in waiting {
            if at <= now {
                feed(id, input);
            } else {
                inputs.news.push((at, id, input));
            }
        }
        if flows {
            inputs.flows.retain(|(id, flow, latest)| {
                let (input, ended) = take_from(&**flow, *latest);
                if let Some(input) = input {
                    feed(*id, input);
                }
                !ended
            });
        }
    }

    fn observe(&self, watcher: &Arc<str>, at: Time, transition: &Transition) {
        let (watcher, transition) = (Arc::clone(watcher), transition.clone());
        self.world.record(TraceEntry { at, watcher, transition });
    }

    fn end(&self) {
        let mut inputs = lock(&self.member.inputs);
        inputs.schedule.clear();
        inputs.timed.clear();
        inputs.flows.clear();
        inputs.news.clear();
    }

    fn wait(
        &self,
        cell: &Cell,
        limit: Option<Duration>,
        _: Awaited,
        until: &mut dyn FnMut(&Inner) -> bool,
    ) -> Woken {
        // From inside a function or a poll nothing can move on: the answer is what is now.
        let satisfied = if self.world.is_driven() {
            until(&cell.lock())
        } else {
            let limit = limit.map(|limit| self.now() + limit);
            self.world.run_until(limit, &mut || until(&cell.lock()))
        };
        if satisfied { Woken::Satisfied } else { Woken::Elapsed }
    }

    fn sleep(&self, _: &Cell, duration: Duration, cancelled: &dyn Fn() -> bool) {
        self.world.sleep(self.now() + duration, cancelled);
    }
}
