//! What a managed function is given.

use std::any::{TypeId, type_name};
use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::{MemoError, ValueError, WatchError};
use super::memo::infallible;
use super::tick::Tick;
use super::watched::Watched;
use crate::brain::{
    Data, Declaration, Event, Execution, Input, Message, Time, Trigger, Value, Var, VarId,
    WatchKind,
};
use crate::drive::{Cell, Feed, Inner, Receiving, Source};
use crate::later::Later;
use crate::sync::channel::Receiver;

/// One execution, seen from inside: why it runs, what is watched, and what is kept.
///
/// May be used from other threads while its execution lasts. Nothing here waits for the watcher,
/// except [`sleep`](Self::sleep) and a memo that another thread is computing.
#[derive(Clone)]
pub struct Context {
    cell: Arc<Cell>,
    execution: Execution,
}

impl Context {
    pub(crate) fn of(cell: &Arc<Cell>, execution: Execution) -> Self {
        Self { cell: Arc::clone(cell), execution }
    }

    /// Turns to the next execution of the same watcher. Copies that were made of it stay behind.
    pub(crate) fn renew(&mut self, execution: &Execution) {
        self.execution.clone_from(execution);
    }

    pub(crate) fn of_cleanup(cell: &Arc<Cell>) -> Self {
        let (number, now) = (cell.lock().brain.counters().executions, cell.body.now());
        let execution = Execution {
            number,
            attempt: 0,
            trigger: Trigger::Cleanup,
            message: None,
            started: now,
            deadline: now + cell.config.stop_timeout,
        };
        Self { cell: Arc::clone(cell), execution }
    }

    /// The message that triggered this execution.
    pub fn message(&self) -> Option<&Message> {
        self.execution.message.as_deref()
    }

    /// Why this execution runs.
    pub fn trigger(&self) -> &Trigger {
        &self.execution.trigger
    }

    /// Counts from 1; above 1 this is a retry after a crash, with the same message and trigger.
    /// 0 in the cleanup function.
    pub fn attempt(&self) -> u32 {
        self.execution.attempt
    }

    /// The number of this execution in its session, from 1; retries are counted too.
    pub fn execution(&self) -> u64 {
        self.execution.number
    }

    /// The watcher's id.
    pub fn watcher_id(&self) -> &str {
        &self.cell.id
    }

    /// When this execution will count as timed out.
    pub fn deadline(&self) -> SystemTime {
        self.cell.body.wall(self.execution.deadline)
    }

    /// How long this execution has left; zero once its deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.execution.deadline - self.cell.body.now()
    }

    /// Whether the function should return soon: its deadline has passed, or the watcher is being
    /// stopped or killed.
    pub fn cancelled(&self) -> bool {
        self.cell.body.glance();
        self.is_cancelled()
    }

    fn is_cancelled(&self) -> bool {
        let cancelled = match self.execution.trigger {
            // A cleanup follows the stop that cancelled the last execution; its own end is a kill.
            Trigger::Cleanup => !self.cell.state().is_live(),
            _ => self.cell.is_cancelled(self.execution.number),
        };
        cancelled || self.cell.body.now() >= self.execution.deadline
    }

    /// The time on the watcher's clock, which the simulation can move.
    pub fn now(&self) -> SystemTime {
        self.cell.body.wall(self.cell.body.now())
    }

    /// Waits for `duration`, or until this execution is cancelled. Returns whether the whole
    /// duration has passed. In the simulation the virtual clock moves instead.
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = self.cell.body.now() + duration;
        self.cell.body.sleep(&self.cell, duration, &|| self.is_cancelled());
        self.cell.body.now() >= until && !self.is_cancelled()
    }

    /// Writes a line to the watcher's context log.
    pub fn log(&self, words: &str) {
        self.cell.log(&mut self.cell.lock(), words);
    }

    /// An environment value of the watcher, set when it was built.
    pub fn get_env(&self, key: &str) -> Option<&str> {
        self.cell.env.get(key).map(String::as_str)
    }

    /// Watches the result of `poll`, which runs outside this function on a thread of its own: at
    /// once, and then each `every`, without drift. An execution follows when its value differs from
    /// the last; the two are compared on that thread too. A poll that fails or panics is logged; the
    /// last value stays.
    ///
    /// The first call for a name registers it; later calls read it and drop their `poll`. Never
    /// blocks. While a poll or its update is pending, ticks are skipped and counted. So that many
    /// polls cost few wakings, one that falls due just after others may wait for more to come: for at
    /// most half a millisecond, and a twentieth of the shortest period of all polls and timers.
    ///
    /// # Errors
    /// See [`WatchError`].
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # fn fetch_price() -> Result<f64, std::io::Error> { Ok(1.0) }
    /// # fn managed(ctx: &hersh::Context) -> Result<(), hersh::ManagedError> {
    /// let price = ctx.watch_call("price", Duration::from_millis(300), fetch_price)?;
    /// if price.triggered() {
    ///     println!("the price is now {:?}", price.value());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch_call<T, E>(
        &self,
        name: &str,
        every: Duration,
        poll: impl FnMut() -> Result<T, E> + Send + 'static,
    ) -> Result<Watched<T>, WatchError>
    where
        T: Data,
        E: Display,
    {
        let mut poll = Later::new(poll);
        self.watch(name, WatchKind::Call, Some(every), || Source::Poll {
            every,
            poll: Box::new(move |_| match (poll.get_mut())() {
                Ok(value) => Input::Value(Value::new(value)),
                Err(error) => Input::Failed(Arc::from(error.to_string())),
            }),
        })
    }

    /// Like [`watch_call`](Self::watch_call), in two steps: `fetch` brings a function, and that makes
    /// the next value of the last: `Some` is a change, also if it is equal; `None` is none. For
    /// values that grow out of each other, and for a comparison of one's own.
    ///
    /// # Errors
    /// See [`WatchError`].
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # fn fetch_price() -> Result<f64, std::io::Error> { Ok(1.0) }
    /// # fn managed(ctx: &hersh::Context) -> Result<(), hersh::ManagedError> {
    /// // Only moves of more than one percent count.
    /// let price = ctx.watch_call_update("price", Duration::from_millis(300), || {
    ///     let now = fetch_price()?;
    ///     Ok::<_, std::io::Error>(move |last: Option<&f64>| match last {
    ///         Some(last) if (now - last).abs() < last * 0.01 => Ok(None),
    ///         _ => Ok(Some(now)),
    ///     })
    /// })?;
    /// # let _ = price; Ok(()) }
    /// ```
    pub fn watch_call_update<T, U, E>(
        &self,
        name: &str,
        every: Duration,
        fetch: impl FnMut() -> Result<U, E> + Send + 'static,
    ) -> Result<Watched<T>, WatchError>
    where
        T: Data,
        U: FnOnce(Option<&T>) -> Result<Option<T>, E>,
        E: Display,
    {
        let mut fetch = Later::new(fetch);
        self.watch(name, WatchKind::Call, Some(every), || {
            let mut poll = move |last: Option<&Value>| -> Result<Input, E> {
                let update = (fetch.get_mut())()?;
                let next = update(last.and_then(Value::get))?;
                Ok(next.map_or(Input::Same, |next| Input::Changed(Value::new(next))))
            };
            let failed = |error: E| Input::Failed(Arc::from(error.to_string()));
            Source::Poll { every, poll: Box::new(move |last| poll(last).unwrap_or_else(failed)) }
        })
    }

    /// Watches a channel. Every value causes its own execution, in order; values that wait stay in
    /// the channel, so a bounded channel holds back its sender. When all senders are gone, that is
    /// logged and the last value stays.
    ///
    /// # Errors
    /// See [`WatchError`].
    ///
    /// # Examples
    /// ```
    /// # fn managed(ctx: &hersh::Context, events: &crossbeam_channel::Receiver<String>)
    /// #     -> Result<(), hersh::ManagedError> {
    /// let event = ctx.watch_flow("events", events)?;
    /// if event.triggered() {
    ///     println!("{:?}", event.value());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch_flow<T: Data>(
        &self,
        name: &str,
        source: &Receiver<T>,
    ) -> Result<Watched<T>, WatchError> {
        self.flow(name, WatchKind::Flow, source)
    }

    /// Like [`watch_flow`](Self::watch_flow), but only the newest value counts: those it has
    /// overtaken are dropped.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn watch_flow_latest<T: Data>(
        &self,
        name: &str,
        source: &Receiver<T>,
    ) -> Result<Watched<T>, WatchError> {
        self.flow(name, WatchKind::FlowLatest, source)
    }

    /// Watches a timer: an execution follows each tick, the first after one period. Ticks that come
    /// while one is pending are skipped and counted.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn watch_tick(&self, name: &str, every: Duration) -> Result<Watched<Tick>, WatchError> {
        self.watch(name, WatchKind::Tick, Some(every), || Source::Tick { every })
    }

    /// Watches a variable no longer; whether it was watched. Its name is free again.
    pub fn unwatch(&self, name: &str) -> bool {
        let mut inner = self.cell.lock();
        let found = inner.brain.vars().find(name).map(|(id, _)| id);
        found.is_some_and(|id| self.cell.feed_locked(&mut inner, Event::Unwatch(id)).is_ok())
    }

    /// A value computed once per session, also when two threads ask at once. It never triggers an
    /// execution. A computation that panics keeps nothing.
    ///
    /// # Errors
    /// See [`MemoError`].
    pub fn memo<T>(&self, name: &str, compute: impl FnOnce() -> T) -> Result<Arc<T>, MemoError>
    where
        T: Debug + Send + Sync + 'static,
    {
        self.try_memo::<T, Infallible>(name, infallible(compute))
    }

    /// Like [`memo`](Self::memo), for a computation that may fail; a failure is not kept.
    ///
    /// # Errors
    /// See [`MemoError`]; the computation's own error comes as [`MemoError::Compute`].
    pub fn try_memo<T, E>(
        &self,
        name: &str,
        compute: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, MemoError<E>>
    where
        T: Debug + Send + Sync + 'static,
    {
        self.cell.memos.get_or_compute(name, compute)
    }

    /// Forgets a memo; whether there was one. The next [`memo`](Self::memo) computes it anew.
    pub fn clear_memo(&self, name: &str) -> bool {
        self.cell.memos.remove(name)
    }

    /// A context value; `None` if it was never set in this session.
    ///
    /// # Errors
    /// When it is there and cannot be read as a `T`.
    pub fn get_value<T: Data + Clone>(&self, key: &str) -> Result<Option<T>, ValueError> {
        self.cell.values.get(key)
    }

    /// Sets a context value, of whatever type it was before.
    pub fn set_value<T: Data>(&self, key: &str, value: T) {
        self.cell.values.set(key, value);
    }

    /// Replaces a context value by what `update` makes of a copy of it, and returns that.
    ///
    /// Atomic: no change in between is lost. For that `update` may be called again, with a newer
    /// copy, when another thread was faster.
    ///
    /// # Errors
    /// The error of `update`, after which the value is what it was; or see [`ValueError`].
    ///
    /// # Examples
    /// ```
    /// # fn managed(ctx: &hersh::Context) -> Result<(), hersh::ManagedError> {
    /// let runs = ctx.update_value("runs", |runs: Option<u64>| Ok(runs.unwrap_or(0) + 1))?;
    /// # let _ = runs; Ok(()) }
    /// ```
    pub fn update_value<T: Data + Clone>(
        &self,
        key: &str,
        update: impl FnMut(Option<T>) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, ValueError> {
        self.cell.values.update(key, update)
    }

    fn flow<T: Data>(
        &self,
        name: &str,
        kind: WatchKind,
        source: &Receiver<T>,
    ) -> Result<Watched<T>, WatchError> {
        self.watch(name, kind, None, || Source::Flow {
            flow: Arc::new(Receiving(Later::new(source.clone()))),
            latest: kind == WatchKind::FlowLatest,
        })
    }

    fn watch<T: Data>(
        &self,
        name: &str,
        kind: WatchKind,
        every: Option<Duration>,
        source: impl FnOnce() -> Source,
    ) -> Result<Watched<T>, WatchError> {
        if every == Some(Duration::ZERO) {
            return Err(WatchError::ZeroPeriod { name: name.to_owned() });
        }
        let inner = &mut *self.cell.lock();
        if let Some((place, id, var)) = inner.brain.vars().find_at(inner.read_next, name) {
            inner.read_next = (place + 1) % inner.brain.vars().len();
            return self.read(id, var, kind);
        }
        self.register::<T>(inner, name, kind, source())?;
        let registered = inner.brain.vars().find(name);
        registered.map_or_else(
            || Err(WatchError::NotRunning { name: name.to_owned() }),
            |(id, var)| self.read(id, var, kind),
        )
    }

    fn register<T: Data>(
        &self,
        inner: &mut Inner,
        name: &str,
        kind: WatchKind,
        source: Source,
    ) -> Result<(), WatchError> {
        let max_watches = self.cell.config.max_watches;
        if inner.brain.vars().len() >= max_watches {
            return Err(WatchError::Limit { name: name.to_owned(), max_watches });
        }
        let declared = Declaration {
            name: Arc::from(name),
            kind,
            type_id: TypeId::of::<T>(),
            type_name: type_name::<T>(),
        };
        self.cell
            .watch(inner, declared, Feed::of::<T>(source))
            .map_err(|_| WatchError::NotRunning { name: name.to_owned() })
    }

    fn read<T: Data>(
        &self,
        id: VarId,
        var: &Var,
        kind: WatchKind,
    ) -> Result<Watched<T>, WatchError> {
        if var.kind != kind || var.type_id != TypeId::of::<T>() {
            return Err(WatchError::Mismatch {
                name: var.name.to_string(),
                existing: format!("{} of {}", var.kind.as_str(), var.type_name),
                requested: format!("{} of {}", kind.as_str(), type_name::<T>()),
            });
        }
        Ok(Watched::new(var, self.execution.trigger.includes(id)))
    }

    /// When this execution began, on the watcher's clock.
    pub fn started(&self) -> Time {
        self.execution.started
    }
}

impl Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("watcher", &self.cell.id)
            .field("execution", &self.execution.number)
            .field("attempt", &self.execution.attempt)
            .field("trigger", &self.execution.trigger.as_str())
            .finish_non_exhaustive()
    }
}
