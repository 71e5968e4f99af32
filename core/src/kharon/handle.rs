//! The handle: what a program does with its tickets.
//!
//! Cheap to clone, and for any number of threads at once. Calls block for as long as the store takes. The
//! handle promises nothing of its own: an answer is the store's answer. It also starts the workers, and
//! ends them: `stop` lets what runs come to its end, and gives back what was claimed and not begun.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, Report, RunError, Stepper};
use super::error::{AddError, GroupError, StoreError, UpdateError};
use super::group::{Group, NewGroup};
use super::metrics::{Count, Metrics};
use super::name::{InvalidName, Label, TicketId};
use super::options::{Options, Target};
use super::router::Router;
use super::settings::{Settings, SettingsError};
use super::store::{
    Added, Addition, Change, Filter, IfExists, Listing, Page, Store, StoreStats, Update,
};
use super::ticket::{NewTicket, Status, Ticket};
use super::time::{Clock, SystemClock};

/// A queue of tickets, and the workers that run them.
///
/// Cloning gives another handle to the same. Every call may be made from any thread, also from
/// inside a handler; those that change something return when the store has acknowledged it.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::{Kharon, MemoryStore, NewTicket, Router, Settings, Status};
///
/// let kharon = Kharon::new(MemoryStore::new(), Settings::default())?;
/// let (send, receive) = std::sync::mpsc::channel();
/// kharon.start(Router::new().handle("greet", move |claim| {
///     send.send(String::from_utf8(claim.payload.to_vec())?)?;
///     Ok(())
/// }))?;
/// kharon.add(NewTicket::new("one", "greet")?.payload("Ann"))?;
/// assert_eq!(receive.recv()?, "Ann");
/// kharon.stop(Duration::from_secs(5));
/// assert_eq!(kharon.get("one")?.map(|ticket| ticket.status), Some(Status::Done));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Kharon {
    engine: Arc<Engine>,
}

impl Kharon {
    /// A Kharon on a store.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub fn new(store: impl Store, settings: Settings) -> Result<Self, SettingsError> {
        Self::with_clock(store, settings, SystemClock::new())
    }

    /// A Kharon whose own reckoning (of limits, and of how long a claim still runs) goes by a
    /// clock of one's own. When a ticket is ready is the store's to say.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub fn with_clock(
        store: impl Store,
        settings: Settings,
        clock: impl Clock,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let engine = Engine::new(Arc::new(store), settings, Box::new(clock));
        Ok(Self { engine: Arc::new(engine) })
    }

    pub(super) fn of(engine: &Arc<Engine>) -> Self {
        Self { engine: Arc::clone(engine) }
    }

    /// Adds a ticket.
    ///
    /// # Errors
    /// [`AddError::Exists`] when there is one with this id; as the type says otherwise.
    pub fn add(&self, ticket: NewTicket) -> Result<(), AddError> {
        self.add_one(ticket, IfExists::Refuse).map(drop)
    }

    /// Adds a ticket in place of one with its id, whatever its state.
    ///
    /// # Errors
    /// As [`AddError`] says.
    pub fn add_or_replace(&self, ticket: NewTicket) -> Result<Added, AddError> {
        self.add_one(ticket, IfExists::Replace)
    }

    /// Adds a ticket unless there is one with its id, or a pending one with its unique key.
    ///
    /// # Errors
    /// As [`AddError`] says.
    pub fn add_if_absent(&self, ticket: NewTicket) -> Result<Added, AddError> {
        self.add_one(ticket, IfExists::Keep)
    }

    fn add_one(&self, ticket: NewTicket, if_exists: IfExists) -> Result<Added, AddError> {
        let mut added = self.add_all(vec![Addition { ticket, if_exists }])?;
        added.pop().unwrap_or_else(|| Err(unanswered().into()))
    }

    /// Adds many tickets at once, each by itself, in their order. Much faster than one by one
    /// where a disk or a network is to be waited for.
    ///
    /// # Errors
    /// When the store could not serve: then any of them may have been added.
    pub fn add_all(
        &self,
        additions: Vec<Addition>,
    ) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        let added = self.engine.store().add(additions)?;
        let new = added.iter().filter(|one| matches!(one, Ok(Added::New | Added::Replaced)));
        self.engine.metrics().add(Count::Added, new.count());
        Ok(added)
    }

    /// The ticket of an id, if there is one.
    ///
    /// # Errors
    /// When the store cannot serve.
    pub fn get(&self, id: impl AsRef<str>) -> Result<Option<Ticket>, StoreError> {
        match TicketId::new(id) {
            Ok(id) => self.engine.store().get(&id),
            Err(_) => Ok(None),
        }
    }

    /// Settles a ticket as Done, and keeps it. One that repeats goes back to pending.
    ///
    /// # Errors
    /// When it is not there, is settled already, the claim that the target names is void, or the
    /// store cannot serve.
    pub fn done<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, options.into().finish(Status::Done, true))
    }

    /// Settles a ticket as Done, and removes it, unless the options keep it.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn ack<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, options.into().finish(Status::Done, false))
    }

    /// Settles a ticket as Failed, and keeps it as a dead letter.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn fail<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, options.into().finish(Status::Failed, true))
    }

    /// Cancels a ticket, and removes it, unless the options keep it. A worker that has it is not
    /// interrupted, but what it does with it is refused.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn cancel<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, options.into().finish(Status::Cancelled, false))
    }

    /// Lets a pending ticket wait, from now, for the delay that the options name.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn retry<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, options.into().retry())
    }

    /// Brings a dead letter back: a failed or cancelled ticket is pending again, with no attempts,
    /// after the delay that the options name.
    ///
    /// # Errors
    /// When it is not there or not dead, another ticket has its unique key, or the store cannot
    /// serve.
    pub fn revive<T>(&self, target: T, options: impl Into<Options>) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        let delay = options.into().delay;
        self.update(target.try_into()?, Change::Revive { delay })
    }

    /// Brings back up to so many failed tickets that match, and says how many.
    ///
    /// # Errors
    /// When the store cannot serve: then some may have been brought back.
    pub fn revive_all(&self, filter: &Filter, at_most: usize) -> Result<usize, StoreError> {
        let filter = Filter { status: Some(Status::Failed), ..filter.clone() };
        let mut page = Page::first(at_most.min(PORTION));
        let mut revived = 0;
        loop {
            let Listing { tickets, next } = self.list(&filter, &page)?;
            let left = at_most.saturating_sub(revived);
            let change = Change::Revive { delay: Duration::ZERO };
            let revive =
                |ticket: Ticket| Update { id: ticket.id, token: None, change: change.clone() };
            let updates = tickets.into_iter().take(left).map(revive).collect();
            let answers = self.engine.store().update(updates)?;
            revived += answers.iter().filter(|answer| answer.is_ok()).count();
            match next {
                Some(cursor) if revived < at_most => page = page.after(cursor),
                _ => return Ok(revived),
            }
        }
    }

    /// Removes a ticket in whatever state.
    ///
    /// # Errors
    /// When it is not there, the claim that the target names is void, or the store cannot serve.
    pub fn delete<T>(&self, target: T) -> Result<(), UpdateError>
    where
        T: TryInto<Target>,
        UpdateError: From<T::Error>,
    {
        self.update(target.try_into()?, Change::Delete)
    }

    pub(super) fn update(&self, target: Target, change: Change) -> Result<(), UpdateError> {
        let Target { id, token } = target;
        let count = Count::of(&change);
        let mut answers = self.engine.store().update(vec![Update { id, token, change }])?;
        let answer = answers.pop().unwrap_or_else(|| Err(unanswered().into()));
        match &answer {
            Ok(()) => self.engine.metrics().add(count, 1),
            Err(UpdateError::StaleClaim) => self.engine.metrics().add(Count::Stale, 1),
            Err(_) => {}
        }
        answer
    }

    /// A page of the tickets that match.
    ///
    /// # Errors
    /// When the store cannot serve.
    pub fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        self.engine.store().list(filter, page)
    }

    /// How many tickets the store has.
    ///
    /// # Errors
    /// When the store cannot serve.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        self.engine.store().stats()
    }

    /// What this Kharon has counted and measured, and how many tickets the store has, in the text
    /// format of Prometheus.
    ///
    /// # Errors
    /// When the store cannot serve.
    pub fn prometheus(&self) -> Result<String, StoreError> {
        Ok(self.engine.metrics().render(&self.stats()?))
    }

    /// What this Kharon has counted and measured.
    pub fn metrics(&self) -> &Metrics {
        self.engine.metrics()
    }

    /// Opens a group, to which tickets can then be added.
    ///
    /// # Errors
    /// As [`GroupError`] says; nothing is changed then.
    pub fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        self.engine.store().open_group(group)
    }

    /// Takes no more tickets into a group: it is finished when none of them is pending any more,
    /// and then its finalizers run.
    ///
    /// # Errors
    /// When there is none, or the store cannot serve.
    pub fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        self.engine.store().close_group(name)
    }

    /// The group of a name, with how far it has come.
    ///
    /// # Errors
    /// When the store cannot serve.
    pub fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        self.engine.store().group(name)
    }

    /// Forgets a group without pending tickets; its finalizers go, if they still wait.
    ///
    /// # Errors
    /// As [`GroupError`] says.
    pub fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        self.engine.store().delete_group(name)
    }

    /// Starts the workers, and returns.
    ///
    /// # Errors
    /// When they run already, the router has a name that cannot be one, or a thread cannot be
    /// started.
    pub fn start(&self, router: Router) -> Result<(), RunError> {
        self.engine.start(router)
    }

    /// Starts the workers, and waits until [`stop`](Self::stop) has ended them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn run(&self, router: Router) -> Result<(), RunError> {
        self.engine.start(router)?;
        self.engine.wait();
        Ok(())
    }

    /// Ends the workers: each finishes the ticket it is running, and what was only claimed is
    /// given back. Waits for them no longer than `grace`; a handler that takes longer goes on, and
    /// can still settle its ticket while its claim runs.
    pub fn stop(&self, grace: Duration) -> Report {
        self.engine.stop(grace)
    }

    /// Whether it was stopped, or never started.
    pub fn is_stopping(&self) -> bool {
        self.engine.is_stopping()
    }

    /// Runs tickets one step at a time on the calling thread, in place of [`run`](Self::run): for
    /// simulations, with a [`VirtualClock`](super::VirtualClock) under the store and this Kharon.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn stepper(&self, router: Router) -> Result<Stepper, RunError> {
        Stepper::new(&self.engine, router)
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        self.engine.settings()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.engine.clock()
    }
}

/// How many tickets are listed at once where all are gone through.
const PORTION: usize = 256;

fn unanswered() -> StoreError {
    StoreError::new(super::error::StoreFault::Broken, "the store gave no answer")
}

impl fmt::Debug for Kharon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kharon").field("settings", self.settings()).finish_non_exhaustive()
    }
}

impl From<std::convert::Infallible> for UpdateError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl TryFrom<&String> for Target {
    type Error = InvalidName;

    fn try_from(id: &String) -> Result<Self, InvalidName> {
        id.as_str().try_into()
    }
}
