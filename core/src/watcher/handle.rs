//! The watcher, as its owner holds it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::builder::Builder;
use super::cancel::CancelToken;
use super::context::Context;
use super::error::{ManagedError, SendError, StartError, StopError};
#[cfg(feature = "journal")]
use super::rehearsal::Rehearsal;
use super::report::StopReport;
use crate::brain::{Event, Message, State, Value};
use crate::drive::{Awaited, Cell, Inner, Refused, Woken};
use crate::runtime::OsSignals;
use crate::sync::Instant;

/// A watcher: one managed function that runs again whenever a message arrives, a watched value
/// changes, a channel delivers or a timer fires; never twice at once.
///
/// Clones are the same watcher; every method may be called from any thread. When the last clone is
/// dropped, the watcher is killed. A managed function that needs its own watcher should hold a
/// [`WeakWatcher`], so that it does not keep itself alive.
///
/// ```
/// use hersh::{ManagedError, Watcher};
///
/// let watcher = Watcher::builder().name("greeter").build()?;
/// watcher.manage("greet", |message, ctx| {
///     match message.map(|message| message.content()) {
///         Some("stop") => Err(ManagedError::stop("the user asked")),
///         Some(name) => Ok(ctx.set_value("last", name.to_owned())),
///         None => Ok(()),
///     }
/// })?;
/// watcher.start()?;
/// watcher.send_message("Ada")?;
/// watcher.send_message("stop")?;
/// watcher.wait(None);
/// assert_eq!(watcher.state(), hersh::State::Stopped);
/// assert_eq!(watcher.values()["last"].get::<String>().unwrap(), "Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Watcher {
    owner: Arc<Owner>,
}

/// A watcher that does not keep itself running.
#[derive(Clone)]
pub struct WeakWatcher {
    owner: Weak<Owner>,
}

impl WeakWatcher {
    /// The watcher, while any [`Watcher`] of it is left.
    pub fn upgrade(&self) -> Option<Watcher> {
        self.owner.upgrade().map(|owner| Watcher { owner })
    }
}

struct Owner {
    cell: Arc<Cell>,
    parent: Option<CancelToken>,
    #[cfg(feature = "journal")]
    rehearsal: Rehearsal,
    #[cfg(feature = "api")]
    api: crate::api::Server,
}

impl Drop for Owner {
    fn drop(&mut self) {
        kill(&self.cell, "its last handle was dropped");
    }
}

pub(super) fn kill(cell: &Cell, reason: &str) {
    if cell.state().is_live() {
        // Refused when it has just ended, which is all that was asked.
        let _ = cell.feed(Event::Kill { reason: Arc::from(reason) });
    }
}

/// How to stop. See [`Watcher::stop_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// How long a running execution may take to return, and then the cleanup; `None` for the
    /// configured `stop_timeout`.
    pub timeout: Option<Duration>,
    /// Serve the messages that wait before ending.
    pub drain: bool,
}

impl Watcher {
    /// Begins to build a watcher.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(cell: Arc<Cell>, parent: Option<CancelToken>) -> Self {
        let owner = Owner {
            cell,
            parent,
            #[cfg(feature = "journal")]
            rehearsal: Rehearsal::default(),
            #[cfg(feature = "api")]
            api: crate::api::Server::default(),
        };
        Self { owner: Arc::new(owner) }
    }

    #[cfg(feature = "api")]
    pub(crate) fn api(&self) -> &crate::api::Server {
        &self.owner.api
    }

    pub(crate) fn cell(&self) -> &Arc<Cell> {
        #[cfg(feature = "journal")]
        if let Some(went) = self.owner.rehearsal.cell() {
            return went;
        }
        &self.owner.cell
    }

    /// The cell that it was built with, whatever the environment has made of it since.
    pub(super) fn own_cell(&self) -> &Arc<Cell> {
        &self.owner.cell
    }

    #[cfg(feature = "journal")]
    pub(super) fn rehearsal(&self) -> &Rehearsal {
        &self.owner.rehearsal
    }

    /// A handle that does not keep the watcher running.
    pub fn downgrade(&self) -> WeakWatcher {
        WeakWatcher { owner: Arc::downgrade(&self.owner) }
    }

    /// Sets the function to run; `name` is what it does, for the log. It runs once at the start of
    /// a session with no message, and then for each trigger, always on one thread at a time.
    ///
    /// A panic in it counts as a crash.
    ///
    /// # Errors
    /// When the watcher is neither `NotRun` nor `Stopped`.
    pub fn manage(
        &self,
        name: &str,
        managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
    ) -> Result<&Self, StartError> {
        self.idle()?;
        self.cell().set_managed(name, Box::new(managed));
        Ok(self)
    }

    /// Sets the function that runs when a session ends in good order or by its last crash.
    ///
    /// # Errors
    /// When the watcher is neither `NotRun` nor `Stopped`.
    pub fn cleanup(
        &self,
        cleanup: impl FnMut(&Context) + Send + 'static,
    ) -> Result<&Self, StartError> {
        self.idle()?;
        self.cell().set_cleanup(Box::new(cleanup));
        Ok(self)
    }

    fn idle(&self) -> Result<(), StartError> {
        match self.state() {
            State::NotRun | State::Stopped => Ok(()),
            state => Err(StartError::State(state)),
        }
    }

    /// Begins a session: memos, context values, watches and counters are new, and the managed
    /// function runs once. Returns without waiting for it. The WatcherAPI is served from now on, if
    /// the configuration says so and it is not served yet.
    ///
    /// Where the environment variable `HERSH_REPLAY` names a journal of this watcher, it does not
    /// live: the managed function runs over the journal, as by [`Replay`](crate::Replay), here and
    /// now. Nothing is polled, persisted, recorded or served, messages that the program sends are
    /// accepted and dropped (those that count are in the journal), and the watcher is afterwards as
    /// it was at the end of the record. The result goes to the file that `HERSH_REPLAY_REPORT` names,
    /// if that is set; `hersh replay JOURNAL -- PROGRAM` shows it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(&self) -> Result<(), StartError> {
        self.idle()?;
        if !self.cell().is_managed() {
            return Err(StartError::NotManaged);
        }
        if self.is_rehearsal() {
            return self.rehearse();
        }
        let parent = self.owner.parent.as_ref();
        if parent.is_some_and(CancelToken::is_cancelled) {
            return Err(StartError::ParentCancelled);
        }
        let lifetime = parent.and_then(CancelToken::remaining);
        #[cfg(feature = "api")]
        let opened = self.open_configured_api().map_err(StartError::Api)?;
        let begun = self.begin(lifetime);
        #[cfg(feature = "api")]
        if begun.is_err() && opened {
            self.stop_api_server();
        }
        begun
    }

    fn begin(&self, lifetime: Option<Duration>) -> Result<(), StartError> {
        let kept = self.kept()?;
        #[cfg(feature = "journal")]
        self.cell().begin_journal().map_err(StartError::Journal)?;
        let started = self.cell().start(lifetime, kept);
        let session = started.map_err(|fault| StartError::State(fault.state))?;
        if let Err(error) = self.cell().body.begin(self.cell(), session) {
            self.cell().abandon("the machine refused a thread");
            return Err(StartError::Thread(error));
        }
        if let Some(parent) = &self.owner.parent {
            parent.adopt(self.cell());
        }
        Ok(())
    }

    /// The values that the session begins with.
    #[cfg(feature = "persist")]
    fn kept(&self) -> Result<Vec<(String, Value)>, StartError> {
        self.cell().restore().map_err(StartError::Persist)
    }

    #[cfg(not(feature = "persist"))]
    fn kept(&self) -> Result<Vec<(String, Value)>, StartError> {
        self.idle().map(|()| Vec::new())
    }

    /// Stops in good order and waits: the running execution is cancelled and waited for, then the
    /// cleanup runs. Stopping again, or a watcher that has ended, gives the same report.
    ///
    /// # Errors
    /// [`StopError::TimedOut`] when the function or the cleanup did not return within the
    /// configured `stop_timeout`: then the watcher is killed. [`StopError::Inside`] from inside the
    /// managed function.
    pub fn stop(&self) -> Result<StopReport, StopError> {
        self.stop_with(StopOptions::default())
    }

    /// Like [`stop`](Self::stop), with another timeout, or serving the queue first.
    ///
    /// # Errors
    /// See [`stop`](Self::stop).
    pub fn stop_with(&self, options: StopOptions) -> Result<StopReport, StopError> {
        if self.cell().is_inside() {
            return Err(StopError::Inside);
        }
        self.request_stop_with("stop() was called", options);
        self.wait_for_end();
        let inner = self.cell().lock();
        let report = report(&inner);
        if inner.brain.stop_timed_out() {
            let timeout = options.timeout.unwrap_or(self.config().stop_timeout);
            return Err(StopError::TimedOut { timeout, report });
        }
        Ok(report)
    }

    /// Asks for a graceful stop and does not wait. May be called from inside the managed function.
    pub fn request_stop(&self, reason: &str) {
        self.request_stop_with(reason, StopOptions::default());
    }

    /// Like [`request_stop`](Self::request_stop), with another timeout, or serving the queue first.
    pub fn request_stop_with(&self, reason: &str, options: StopOptions) {
        if self.state().is_live() {
            let request = self.cell().stop_request(reason, options.drain, options.timeout);
            // Refused when it has just ended, which is all that was asked.
            let _ = self.cell().feed(Event::Stop(request));
        }
    }

    /// Ends the watcher at once, without cleanup, whatever its function does. Never waits.
    pub fn kill(&self) {
        kill(self.cell(), "kill() was called");
    }

    /// Starts, and blocks until the session is over. SIGINT and SIGTERM stop it in good order; a
    /// second one kills it (on Unix, with the feature `signals`).
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn run(&self) -> Result<StopReport, StartError> {
        if self.is_rehearsal() {
            // Without a hand on the signals: a replay ends by them as any process does.
            self.start()?;
            return Ok(report(&self.cell().lock()));
        }
        let (weak, mut seen) = (self.downgrade(), 0_u32);
        let _signals = OsSignals::on_each(move || {
            seen += 1;
            match (weak.upgrade(), seen) {
                (Some(watcher), 1) => watcher.request_stop("the process was asked to end"),
                (Some(watcher), _) => watcher.kill(),
                (None, _) => {}
            }
        })
        .map_err(StartError::OsSignals)?;
        self.start()?;
        self.wait_for_end();
        Ok(report(&self.cell().lock()))
    }

    /// Waits for the end of the session, at most for `timeout`. `None` when it has not ended by
    /// then, when there is no session, or from inside the managed function.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<StopReport> {
        self.wait_until(timeout, Awaited::End, State::is_terminal)
            .then(|| report(&self.cell().lock()))
    }

    /// Waits until the watcher is in `state`, at most for `timeout`; whether it is.
    pub fn wait_for(&self, state: State, timeout: Option<Duration>) -> bool {
        let awaited = if state.is_live() { Awaited::Change } else { Awaited::End };
        self.wait_until(timeout, awaited, |current| current == state)
    }

    fn wait_for_end(&self) {
        let mut ended = |inner: &Inner| !inner.brain.state().is_live();
        self.cell().body.wait(self.cell(), None, Awaited::End, &mut ended);
        #[cfg(feature = "journal")]
        self.write_journal();
    }

    /// The end of a session is known before it is written down: whoever has waited for it may end the
    /// process.
    #[cfg(feature = "journal")]
    fn write_journal(&self) {
        self.cell().write_tape();
    }

    fn wait_until(
        &self,
        timeout: Option<Duration>,
        awaited: Awaited,
        holds: impl Fn(State) -> bool,
    ) -> bool {
        if self.cell().is_inside() {
            return holds(self.state());
        }
        let mut until = |inner: &Inner| {
            // A state that is terminal, or not begun, will not become another by itself.
            holds(inner.brain.state()) || !inner.brain.state().is_live()
        };
        let woken = self.cell().body.wait(self.cell(), timeout, awaited, &mut until);
        #[cfg(feature = "journal")]
        if !self.is_running() {
            self.write_journal();
        }
        woken == Woken::Satisfied && holds(self.state())
    }

    /// Waits until no thread of this watcher is left, at most for `timeout`; whether none is: then
    /// none of its functions runs and, until the next start, none will.
    ///
    /// A session that is over may leave threads behind: a function that was killed and has not
    /// returned, a poll that hangs. This is for those who are about to end the process or to unload
    /// what the functions use. From one of these threads it answers `false` at once, and while a
    /// session is under way it waits for its end.
    pub fn join(&self, timeout: Option<Duration>) -> bool {
        self.cell().body.join(timeout)
    }

    /// Sends a message; an execution will serve it. Works from inside the managed function too.
    ///
    /// # Errors
    /// At once, with the message handed back, when the queue is full or the watcher takes none.
    pub fn send_message(&self, content: impl Into<String>) -> Result<(), SendError> {
        let cell = self.cell();
        let Err((refused, content)) = cell.intake.accept(content.into(), cell.body.now()) else {
            return Ok(());
        };
        match refused {
            Refused::Full => {
                Err(SendError::QueueFull { content, capacity: cell.config.signal_capacity })
            }
            #[cfg(feature = "journal")]
            Refused::Closed if self.rehearsal().is_under_way() => Ok(()),
            Refused::Closed => Err(SendError::NotRunning { content, state: cell.state() }),
        }
    }

    /// Sends a message, waiting for room in the queue for at most `timeout`. From inside the managed
    /// function it does not wait: nobody else could make room.
    ///
    /// # Errors
    /// As [`send_message`](Self::send_message), after the wait.
    pub fn send_message_timeout(
        &self,
        content: impl Into<String>,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut content = content.into();
        loop {
            match self.send_message(content) {
                Err(SendError::QueueFull { content: back, .. }) if !self.cell().is_inside() => {
                    content = back;
                }
                answered => return answered,
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let cell = self.cell();
            let mut room = |_: &Inner| cell.intake.would_answer();
            if cell.body.wait(cell, left, Awaited::Room, &mut room) == Woken::Elapsed {
                return self.send_message(content);
            }
        }
    }
}

fn report(inner: &Inner) -> StopReport {
    StopReport { state: inner.brain.state(), unserved: inner.brain.unserved().to_vec() }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("id", &self.id()).field("state", &self.state()).finish()
    }
}

impl fmt::Debug for WeakWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakWatcher")
    }
}
