//! The engine: what moves tickets from the store through handlers and back.
//!
//! One worker at a time looks into the store, and only it is woken when there is something to do;
//! what it finds beyond its own need lies in a small buffer for the others. Results of handlers
//! that settled nothing themselves are gathered in an outbox, so that a store which waits for a
//! disk or a network waits once for many.

mod keeper;
mod outbox;
mod session;
mod stepper;
mod worker;

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::metrics::Metrics;
use super::name::InvalidName;
use super::router::Router;
use super::rules::Judgement;
use super::settings::Settings;
use super::store::Store;
use super::time::Clock;
use session::Session;

pub use stepper::{Step, Stepper};

/// What stopping came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tickets that were claimed but not begun, and were given back.
    pub given_back: usize,
    /// Workers whose handlers had not returned when the grace was over.
    pub still_running: usize,
    /// Results that the store has not taken. Their tickets will be run again when their claims
    /// are over.
    pub unsaved: usize,
}

/// Why the workers were not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// They run already.
    Running,
    /// The router has a type that cannot be a name.
    Router(InvalidName),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("it is running already"),
            Self::Router(name) => write!(f, "the router cannot be used: {name}"),
            Self::Thread(error) => write!(f, "a worker could not be started: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Running => None,
            Self::Router(name) => Some(name),
            Self::Thread(error) => Some(error),
        }
    }
}

/// Takes a lock whose data is whole also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Engine {
    store: Arc<dyn Store>,
    settings: Settings,
    clock: Box<dyn Clock>,
    bell: Arc<Bell>,
    metrics: Metrics,
    judgement: Judgement,
    session: Mutex<Option<Arc<Session>>>,
    ended: Condvar,
}

impl Engine {
    pub(super) fn new(store: Arc<dyn Store>, settings: Settings, clock: Box<dyn Clock>) -> Self {
        let bell = Arc::new(Bell::new());
        store.hang(&bell);
        let judgement = Judgement {
            backoff: settings.backoff,
            max_attempts: settings.max_attempts,
            keep_done: settings.keep_done,
        };
        Self {
            store,
            settings,
            clock,
            bell,
            metrics: Metrics::default(),
            judgement,
            session: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens a session, unless there is one.
    fn open(self: &Arc<Self>, router: Router) -> Result<Arc<Session>, RunError> {
        if let Some(invalid) = &router.invalid {
            return Err(RunError::Router(invalid.clone()));
        }
        let mut slot = lock(&self.session);
        if slot.is_some() {
            return Err(RunError::Running);
        }
        let session = Arc::new(Session::new(self, router));
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    pub(super) fn start(self: &Arc<Self>, router: Router) -> Result<(), RunError> {
        let session = self.open(router)?;
        worker::start(&session).inspect_err(|_| _ = self.stop(Duration::ZERO))
    }

    /// Waits until there is no session.
    pub(super) fn wait(&self) {
        let slot = lock(&self.session);
        drop(self.ended.wait_while(slot, |slot| slot.is_some()));
    }

    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.session).as_ref().is_none_or(|session| session.is_stopping())
    }

    pub(super) fn stop(&self, grace: Duration) -> Report {
        let Some(session) = lock(&self.session).clone() else { return Report::default() };
        let deadline = Instant::now().checked_add(grace);
        let given_back = session.stop();
        let still_running = session.wait(deadline);
        let unsaved = session.save(deadline);
        let mut slot = lock(&self.session);
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, &session)) {
            *slot = None;
            self.ended.notify_all();
        }
        Report { given_back, still_running, unsaved }
    }
}
