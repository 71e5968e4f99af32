//! The lines of a journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::brain::{Event, Input, RecoveryPolicy, Transition, Value, Vars};
use crate::watcher::Config;

/// The first line of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: String,
    pub(crate) version: u32,
    /// The same for all files of one run, by chance different from others.
    pub(crate) run: u64,
    /// Counts the files of a run from 0.
    pub(crate) part: u64,
    /// The id.
    pub(crate) watcher: String,
    /// The name. Journals that were begun before there was this field have none.
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) seed: u64,
    /// The wall-clock time of the origin of all times here, in nanoseconds since the Unix epoch.
    pub(crate) epoch_ns: u64,
    pub(crate) config: Settings,
}

impl Header {
    /// The watcher's name, else its id.
    pub(crate) fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.watcher)
    }
}

/// The part of a configuration that decides what a watcher does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    default_timeout: std::time::Duration,
    stop_timeout: std::time::Duration,
    signal_capacity: usize,
    max_memo_entries: usize,
    max_watches: usize,
    max_retries: u32,
    retry_delay: std::time::Duration,
    backoff_factor: f64,
    max_delay: std::time::Duration,
    jitter: f64,
}

impl Settings {
    pub(crate) const fn of(config: &Config) -> Self {
        let recovery = &config.recovery;
        Self {
            default_timeout: config.default_timeout,
            stop_timeout: config.stop_timeout,
            signal_capacity: config.signal_capacity,
            max_memo_entries: config.max_memo_entries,
            max_watches: config.max_watches,
            max_retries: recovery.max_retries,
            retry_delay: recovery.retry_delay,
            backoff_factor: recovery.backoff_factor,
            max_delay: recovery.max_delay,
            jitter: recovery.jitter,
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            default_timeout: self.default_timeout,
            stop_timeout: self.stop_timeout,
            signal_capacity: self.signal_capacity,
            max_memo_entries: self.max_memo_entries,
            max_watches: self.max_watches,
            recovery: RecoveryPolicy {
                max_retries: self.max_retries,
                retry_delay: self.retry_delay,
                backoff_factor: self.backoff_factor,
                max_delay: self.max_delay,
                jitter: self.jitter,
            },
            ..Config::default()
        }
    }
}

/// Every line but the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Nanoseconds since the watcher was built.
    pub(crate) at: u64,
    pub(crate) what: Entry,
}

/// One input, or one change of state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Start { expires: Option<u64>, values: BTreeMap<String, Recorded> },
    Message { content: String, sent: u64 },
    Value { name: Arc<str>, value: Recorded },
    Changed { name: Arc<str>, value: Recorded },
    Same { name: Arc<str> },
    Failed { name: Arc<str>, error: Arc<str> },
    Closed { name: Arc<str> },
    Skipped { name: Arc<str>, ticks: u64 },
    Serve,
    Returned { execution: u64 },
    CleanedUp { problem: Option<String> },
    Stop { reason: Arc<str>, drain: bool, timeout_ns: u64 },
    Kill { reason: Arc<str> },
    Elapsed,
    Transition { from: String, to: String, cause: String },
}

impl Entry {
    /// What is to be recorded of an event; nothing for those that the function itself causes.
    pub(crate) fn of(event: &Event, vars: &Vars) -> Option<Self> {
        let name = |id| vars.get(id).map(|var| Arc::clone(&var.name));
        Some(match event {
            Event::Watch(_) | Event::Unwatch(_) => return None,
            Event::Start { expires } => {
                let expires = expires.map(crate::brain::Time::as_nanos);
                Self::Start { expires, values: BTreeMap::new() }
            }
            Event::Message(message) => Self::Message {
                content: message.content().to_owned(),
                sent: message.sent().as_nanos(),
            },
            Event::Var(id, Input::Value(value)) => {
                Self::Value { name: name(*id)?, value: Recorded::Live(value.clone()) }
            }
            Event::Var(id, Input::Changed(value)) => {
                Self::Changed { name: name(*id)?, value: Recorded::Live(value.clone()) }
            }
            Event::Var(id, Input::Same) => Self::Same { name: name(*id)? },
            Event::Var(id, Input::Failed(error)) => {
                Self::Failed { name: name(*id)?, error: Arc::clone(error) }
            }
            Event::Var(id, Input::Closed) => Self::Closed { name: name(*id)? },
            Event::Skipped(id, ticks) => Self::Skipped { name: name(*id)?, ticks: *ticks },
            Event::Serve => Self::Serve,
            Event::Returned { execution, .. } => Self::Returned { execution: *execution },
            Event::CleanedUp { problem } => Self::CleanedUp { problem: problem.clone() },
            Event::Stop(request) => Self::Stop {
                reason: Arc::clone(&request.reason),
                drain: request.drain,
                timeout_ns: u64::try_from(request.timeout.as_nanos()).unwrap_or(u64::MAX),
            },
            Event::Kill { reason } => Self::Kill { reason: Arc::clone(reason) },
            Event::Elapsed => Self::Elapsed,
        })
    }

    pub(crate) fn of_transition(transition: &Transition) -> Self {
        Self::Transition {
            from: transition.from.to_string(),
            to: transition.to.to_string(),
            cause: transition.cause.to_string(),
        }
    }

    /// Whether it matters only by what came of it.
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self, Self::Serve | Self::Elapsed)
    }
}

/// A value on its way into a journal, or out of one.
#[derive(Clone, Debug)]
pub(crate) enum Recorded {
    Live(Value),
    Json(serde_json::Value),
    /// It had no JSON form, for this reason.
    Opaque(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Json(serde_json::Value),
    Opaque(String),
}

impl Serialize for Recorded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self {
            Self::Live(value) => match value.to_json() {
                Ok(json) => Form::Json(json),
                Err(error) => Form::Opaque(error.to_string()),
            },
            Self::Json(json) => Form::Json(json.clone()),
            Self::Opaque(reason) => Form::Opaque(reason.clone()),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Json(json) => Self::Json(json),
            Form::Opaque(reason) => Self::Opaque(reason),
        })
    }
}
