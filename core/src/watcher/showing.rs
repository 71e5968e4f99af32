//! What a watcher shows of itself, at any moment and to any thread.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::config::Config;
use super::handle::Watcher;
use crate::brain::{State, Value};
use crate::observe::{LogEntry, LogKind, MemoEntry, QueueDepths, SignalEntry, Stats, WatchedEntry};

impl Watcher {
    /// The id: unique to this watcher.
    pub fn id(&self) -> &str {
        &self.cell().id
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.cell().name
    }

    /// What its managed function does, as named when it was set; empty before.
    pub fn managed_name(&self) -> String {
        self.cell().managed_name().to_string()
    }

    /// The state. Takes no lock.
    pub fn state(&self) -> State {
        self.cell().state()
    }

    /// Whether a session is under way.
    pub fn is_running(&self) -> bool {
        self.state().is_live()
    }

    /// The configuration it was built with.
    pub fn config(&self) -> &Config {
        &self.cell().config
    }

    /// The environment values it was built with.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.cell().env
    }

    /// State, times and counters at this moment.
    pub fn stats(&self) -> Stats {
        let cell = self.cell();
        let inner = cell.lock();
        let state = inner.brain.state();
        let until = if state.is_live() { cell.body.now() } else { inner.updated };
        Stats {
            state,
            started: inner.began.map(|began| cell.body.wall(began)),
            uptime: inner.began.map_or(Duration::ZERO, |began| until - began),
            last_update: cell.body.wall(inner.updated),
            counters: inner.brain.counters().clone(),
            queue: QueueDepths {
                manager_inner: 0,
                user: cell.intake.depth(),
                var: inner.brain.vars().pending(),
            },
        }
    }

    /// The watched variables, in the order of their registration.
    pub fn watched(&self) -> Vec<WatchedEntry> {
        let inner = self.cell().lock();
        let entries = inner.brain.vars().iter().map(|var| WatchedEntry {
            name: var.name.to_string(),
            kind: var.kind,
            type_name: var.type_name,
            value: var.value.clone(),
            error: var.error.as_deref().map(str::to_owned),
            skipped: var.skipped,
        });
        entries.collect()
    }

    /// The memos, by name.
    pub fn memos(&self) -> Vec<MemoEntry> {
        self.cell().memos.entries()
    }

    /// The context values, by key.
    pub fn values(&self) -> BTreeMap<String, Value> {
        self.cell().values.all()
    }

    /// Every value that the watcher keeps, as often as it does: context values, those of watched
    /// variables, applied or not, and those that its signals and logs tell of.
    ///
    /// For bindings to a language whose garbage collector has to be shown them; to look at a watcher,
    /// [`Watcher::values`] and [`Watcher::watched`] are better.
    pub fn kept_values(&self) -> Vec<Value> {
        self.cell().kept_values()
    }

    /// The newest `limit` entries of a log, oldest first.
    pub fn logs(&self, kind: LogKind, limit: usize) -> Vec<LogEntry> {
        let cell = self.cell();
        let tail = cell.lock().logs.tail(kind, limit);
        let worded = tail.into_iter().map(|(id, entry)| LogEntry {
            id,
            kind,
            at: cell.body.wall(entry.at()),
            text: entry.to_string(),
        });
        worded.collect()
    }

    /// The newest signals of all classes, those that wait among them, oldest first: 30 at most.
    /// Looking removes none and changes no order.
    pub fn recent_signals(&self) -> Vec<SignalEntry> {
        let cell = self.cell();
        let worded = cell.signals().into_iter().map(|(at, signal)| SignalEntry {
            class: signal.class(),
            content: signal.to_string(),
            at: cell.body.wall(at),
        });
        worded.collect()
    }

    /// The time on this watcher's clock.
    pub fn now(&self) -> SystemTime {
        self.cell().body.wall(self.cell().body.now())
    }
}
