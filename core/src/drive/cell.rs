//! The cell: one watcher's brain, logs and stores, and the lock around them.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::body::{Awaited, Body};
use super::intake::Intake;
#[cfg(feature = "persist")]
use super::keep::Keep;
use super::managed::{CleanupFn, ManagedFn, is_inside};
use super::outlet::Outlet;
use super::source::Feed;
#[cfg(feature = "journal")]
use super::tape::Tape;
use super::watching::lifecycle;
use crate::brain::{
    Brain, Declaration, Effect, Event, Input, State, StateFault, StopRequest, Time, Value, VarId,
};
#[cfg(feature = "journal")]
use crate::journal::Recorder;
use crate::later::Held;
use crate::observe::{Logs, Signals};
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::watcher::{Config, Memos, Values};

/// Locks, also after a panic: what these locks guard is changed only in whole steps.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers the watchers of this process, to tell from which a thread calls.
static WATCHERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// What a watcher is built from.
pub(crate) struct Parts {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) config: Config,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) seed: u64,
    pub(crate) body: Arc<dyn Body>,
}

/// Everything that one watcher's threads share.
pub(crate) struct Cell {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) config: Config,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) body: Arc<dyn Body>,
    pub(crate) memos: Memos,
    pub(crate) values: Values,
    pub(crate) intake: Intake,
    pub(super) managed: Mutex<Option<ManagedFn>>,
    pub(super) cleanup: Mutex<Option<CleanupFn>>,
    managed_name: Mutex<Arc<str>>,
    pub(super) number: u64,
    #[cfg(feature = "journal")]
    pub(super) seed: u64,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Told of room in the queue.
    room: Condvar,
    /// Told of news in the logs, see [`Cell::news`].
    #[cfg(feature = "api")]
    pub(super) news: Condvar,
    #[cfg(feature = "persist")]
    pub(super) keep: Mutex<Keep>,
    /// Locked before `inner`, never after it.
    #[cfg(feature = "journal")]
    pub(super) recorder: Mutex<Option<Recorder>>,
    /// A copy of the brain's state, readable without the lock.
    state: AtomicU8,
    /// Executions up to this number are cancelled.
    cancelled: AtomicU64,
}

/// What the cell's lock guards.
pub(crate) struct Inner {
    pub(crate) brain: Brain,
    pub(crate) logs: Logs,
    pub(super) signals: Signals,
    pub(crate) began: Option<Time>,
    pub(crate) updated: Time,
    /// How many threads wait for each kind of thing; without any, nobody is notified.
    waiters: [usize; Awaited::KINDS],
    /// Messages delivered in this session.
    pub(super) messages: u64,
    /// The place of the variable that will probably be read next.
    pub(crate) read_next: usize,
    /// Empty between the calls that use it.
    effects: Vec<Effect>,
    /// Empty between the calls that use it.
    pub(super) arrived: Vec<(VarId, Input)>,
    /// Empty between the calls that use it.
    pub(super) settled: Vec<VarId>,
    #[cfg(feature = "journal")]
    pub(super) tape: Tape,
}

impl Inner {
    /// Whether anybody waits for what has just happened.
    fn is_awaited(&self) -> bool {
        self.waits_for(Awaited::Change)
            || (self.waits_for(Awaited::End) && !self.brain.state().is_live())
    }

    fn waits_for(&self, awaited: Awaited) -> bool {
        self.waiters[awaited as usize] > 0
    }
}

/// A cell's lock, held. What is dropped meanwhile goes after it has been released.
pub(crate) struct Locked<'a> {
    inner: MutexGuard<'a, Inner>,
    held: Held,
}

impl Deref for Locked<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

impl Locked<'_> {
    /// Waits, released meanwhile, until there is news, at most for `limit`.
    pub(super) fn wait(self, news: &Condvar, limit: Option<Duration>) -> Self {
        let Self { inner, held } = self;
        let inner = match limit {
            None => news.wait(inner).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                news.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        Self { inner, held }
    }
}

/// What a step is to do next, outside the lock.
pub(super) enum Work {
    Execute,
    CleanUp,
}

impl Cell {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { id, name, config, env, seed, body } = parts;
        let inner = Inner {
            brain: Brain::new(config.policy(), seed),
            logs: Logs::new(config.max_log_entries),
            signals: Signals::new(),
            began: None,
            updated: body.now(),
            waiters: [0; Awaited::KINDS],
            messages: 0,
            read_next: 0,
            effects: Vec::new(),
            arrived: Vec::new(),
            settled: Vec::new(),
            #[cfg(feature = "journal")]
            tape: Tape::default(),
        };
        let cell = Arc::new(Self {
            id,
            name,
            env,
            memos: Memos::new(config.max_memo_entries),
            values: Values::default(),
            intake: Intake::new(config.signal_capacity),
            managed: Mutex::new(None),
            cleanup: Mutex::new(None),
            managed_name: Mutex::new(Arc::from("")),
            #[cfg(feature = "journal")]
            seed,
            number: WATCHERS.fetch_add(1, Ordering::Relaxed),
            inner: Mutex::new(inner),
            #[cfg(feature = "persist")]
            keep: Mutex::default(),
            #[cfg(feature = "journal")]
            recorder: Mutex::default(),
            changed: Condvar::new(),
            room: Condvar::new(),
            #[cfg(feature = "api")]
            news: Condvar::new(),
            state: AtomicU8::new(State::NotRun as u8),
            cancelled: AtomicU64::new(0),
            config,
            body,
        });
        cell.body.attach(&cell);
        cell
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        let held = Held::new();
        Locked { inner: lock(&self.inner), held }
    }

    /// The state, without a lock.
    pub(crate) fn state(&self) -> State {
        State::from_u8(self.state.load(Ordering::Acquire))
    }

    /// Whether the calling thread is inside a function of this watcher.
    pub(crate) fn is_inside(&self) -> bool {
        is_inside(self.number)
    }

    /// A request to stop, with the configured timeout unless another is given.
    pub(crate) fn stop_request(
        &self,
        reason: &str,
        drain: bool,
        timeout: Option<Duration>,
    ) -> StopRequest {
        let timeout = timeout.unwrap_or(self.config.stop_timeout);
        StopRequest { reason: Arc::from(reason), drain, timeout }
    }

    /// Whether an execution has been told that it is cancelled.
    pub(crate) fn is_cancelled(&self, execution: u64) -> bool {
        self.cancelled.load(Ordering::Acquire) >= execution
    }

    pub(crate) fn set_managed(&self, name: &str, managed: ManagedFn) {
        *lock(&self.managed) = Some(managed);
        *lock(&self.managed_name) = Arc::from(name);
    }

    /// Takes the managed function away. Not to be asked from inside it.
    #[cfg(feature = "journal")]
    pub(crate) fn take_managed(&self) -> Option<ManagedFn> {
        lock(&self.managed).take()
    }

    /// What the managed function does, in its owner's words.
    pub(crate) fn managed_name(&self) -> Arc<str> {
        Arc::clone(&lock(&self.managed_name))
    }

    pub(crate) fn set_cleanup(&self, cleanup: CleanupFn) {
        *lock(&self.cleanup) = Some(cleanup);
    }

    /// Whether a managed function has been set. Not to be asked from inside it.
    pub(crate) fn is_managed(&self) -> bool {
        lock(&self.managed).is_some()
    }

    /// Feeds one event from whatever thread brings it.
    pub(crate) fn feed(&self, event: Event) -> Result<(), StateFault> {
        let fed = self.feed_locked(&mut self.lock(), event);
        #[cfg(feature = "journal")]
        self.write_tape();
        fed
    }

    pub(crate) fn feed_locked(&self, inner: &mut Inner, event: Event) -> Result<(), StateFault> {
        let (signal, now) = (lifecycle(&event), self.body.now());
        let fed = self.reduce(inner, event, now, None).0;
        if let (Ok(()), Some(signal)) = (&fed, signal) {
            inner.signals.push(now, signal);
        }
        self.body.wake();
        self.set_alarm(inner);
        fed
    }

    /// Registers a variable with its source.
    pub(crate) fn watch(
        &self,
        inner: &mut Inner,
        declared: Declaration,
        feed: Feed,
    ) -> Result<(), StateFault> {
        self.reduce(inner, Event::Watch(declared), self.body.now(), Some(feed)).0
    }

    /// Looks at the deadlines, from whatever thread notices that time has passed.
    pub(crate) fn elapse(&self) {
        let mut inner = self.lock();
        let now = self.body.now();
        if inner.brain.next_deadline().is_some_and(|deadline| deadline <= now) {
            // `Elapsed` is known in every state.
            let _ = self.reduce(&mut inner, Event::Elapsed, now, None);
            self.body.wake();
        }
        self.set_alarm(&inner);
        drop(inner);
        #[cfg(feature = "journal")]
        self.write_tape();
    }

    pub(super) fn set_alarm(&self, inner: &Inner) {
        if let Some(deadline) = inner.brain.next_deadline() {
            self.body.alarm(deadline);
        }
    }

    /// Reduces one event and performs what it asks for; work for the stepping thread is returned.
    pub(super) fn reduce(
        &self,
        inner: &mut Inner,
        event: Event,
        now: Time,
        source: Option<Feed>,
    ) -> (Result<(), StateFault>, Option<Work>) {
        let (fed, recorded) = self.think(inner, event, now);
        let asked = !inner.effects.is_empty();
        let work = if asked { self.perform(inner, source) } else { None };
        if recorded || asked {
            self.state.store(inner.brain.state() as u8, Ordering::Release);
            inner.updated = now;
            if inner.is_awaited() {
                self.changed.notify_all();
            }
            self.tell(inner);
        }
        (fed, work)
    }

    /// Lets the brain take an event. What it wants remembered is in the logs then, what it wants
    /// done in `inner.effects`. Whether it was taken, and whether there was anything to remember.
    pub(super) fn think(
        &self,
        inner: &mut Inner,
        event: Event,
        now: Time,
    ) -> (Result<(), StateFault>, bool) {
        #[cfg(feature = "journal")]
        let note = inner.tape.note(&event, inner.brain.vars(), now);
        let mut outlet = Outlet {
            cell: self,
            now,
            logs: &mut inner.logs,
            effects: &mut inner.effects,
            #[cfg(feature = "journal")]
            tape: &mut inner.tape,
            recorded: false,
        };
        let fed = inner.brain.reduce(event, now, &mut outlet);
        let recorded = outlet.recorded;
        #[cfg(feature = "journal")]
        inner.tape.settle(note, fed.is_ok(), recorded || !inner.effects.is_empty());
        (fed, recorded)
    }

    /// Performs what the brain has asked for.
    fn perform(&self, inner: &mut Inner, mut source: Option<Feed>) -> Option<Work> {
        let mut work = None;
        let mut effects = std::mem::take(&mut inner.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Execute => {
                    self.account_for(inner);
                    work = Some(Work::Execute);
                }
                Effect::CleanUp => work = Some(Work::CleanUp),
                Effect::Cancel { execution } => {
                    self.cancelled.fetch_max(execution, Ordering::AcqRel);
                }
                Effect::Watch(id) => {
                    if let (Some(feed), Some(var)) = (source.take(), inner.brain.vars().get(id)) {
                        self.body.watch(id, &var.name, feed);
                    }
                }
                Effect::Unwatch(id) => self.body.unwatch(id),
                Effect::Close => {
                    self.close(inner);
                    self.room.notify_all();
                }
                Effect::Over => {
                    self.intake.settle();
                    self.body.end();
                }
            }
        }
        // `close` may have let the brain think again; messages alone never make it ask for anything.
        debug_assert!(inner.effects.is_empty(), "a message asks for nothing");
        inner.effects = effects;
        work
    }

    /// A message leaves the queue when its first attempt begins; an update is applied when the
    /// execution that it triggers begins, and its timer may go on.
    fn account_for(&self, inner: &Inner) {
        let Some(execution) = inner.brain.execution().filter(|begun| begun.attempt == 1) else {
            return;
        };
        if execution.message.is_some() {
            self.intake.served();
            if inner.waits_for(Awaited::Room) {
                self.room.notify_one();
            }
        }
        let changes = execution.trigger.changes();
        if changes.is_empty() {
            return;
        }
        let (vars, ids) = (inner.brain.vars(), changes.iter().map(|change| change.id));
        let is_timed = |id: &VarId| vars.get(*id).is_some_and(|var| var.kind.is_timed());
        self.body.settled(&mut ids.filter(is_timed));
    }

    /// Begins a session: everything that belongs to one is new.
    pub(crate) fn start(
        &self,
        lifetime: Option<Duration>,
        values: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<u64, StateFault> {
        let values: Vec<_> = values.into_iter().collect();
        // Dropped after the lock is released.
        let _forgotten;
        let mut inner = self.lock();
        let now = self.body.now();
        let expires = lifetime.map(|lifetime| now + lifetime);
        let start = Event::Start { expires };
        let signal = lifecycle(&start);
        self.reduce(&mut inner, start, now, None).0?;
        if let Some(signal) = signal {
            inner.signals.push(now, signal);
        }
        #[cfg(feature = "journal")]
        inner.tape.started_with(&values);
        _forgotten = self.memos.clear();
        self.values.reset(values);
        self.cancelled.store(0, Ordering::Release);
        inner.messages = 0;
        inner.began = Some(now);
        self.intake.open();
        Ok(inner.brain.session())
    }

    /// For a body that waits on the condition variable.
    pub(crate) fn wait_changed<'a>(
        &'a self,
        mut inner: Locked<'a>,
        limit: Option<Duration>,
        awaited: Awaited,
    ) -> Locked<'a> {
        let told = if awaited == Awaited::Room { &self.room } else { &self.changed };
        inner.waiters[awaited as usize] += 1;
        let mut inner = inner.wait(told, limit);
        inner.waiters[awaited as usize] -= 1;
        inner
    }
}
