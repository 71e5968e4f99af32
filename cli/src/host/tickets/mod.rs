//! What the host has to come back to, as durable tickets: nothing that is to be done later lives in
//! a thread's head.
//!
//! | ticket | how many | what it does |
//! |---|---|---|
//! | `reconcile` | one for each program that is not as its owner wants it | sends what is due: the restart that waited, the stop or removal that failed; tries again with backoff |
//! | `redeploy` | one for each program that takes over from another | takes the next steps of that |
//! | `health` | one | looks whether what should run does, and answers; adopts, once the engine answers |
//! | `expire-images` | one | removes images that nobody will start from |
//! | `rotate-logs` | one | keeps the programs' logs within their bounds |
//!
//! The registry is the truth: tickets are laid beside it in `tickets.db` and brought in line with it
//! when a host opens its folder, so that a crash between the two loses nothing.
mod need;
mod upkeep;
mod view;
mod work;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hersh::kharon::store::{Filter, Page};
use hersh::kharon::{
    Backoff, CatchUp, Durability, Kharon, Label, NewTicket, Options, Repeat, Router, Settings,
    SqliteOptions, SqliteStore, SystemClock, TicketId, UpdateError,
};

use super::HostError;
use super::parts::Parts;
use crate::program::{Millis, ProgramId, ProgramState, Supervisor};
use need::{Need, need};

pub use view::{TicketFilter, TicketPage, TicketView};

/// Tickets that bring a program where its owner wants it.
pub(super) const RECONCILE: &str = "reconcile";
/// Tickets that bring a takeover to its end.
pub(super) const REDEPLOY: &str = "redeploy";
/// The ticket that looks whether what should run does.
pub(super) const HEALTH: &str = "health";
/// The ticket that removes images.
pub(super) const EXPIRE_IMAGES: &str = "expire-images";
/// The ticket that keeps logs small.
pub(super) const ROTATE_LOGS: &str = "rotate-logs";

/// All kinds of tickets.
pub(super) const TICKET_KINDS: [&str; 4] = [RECONCILE, HEALTH, EXPIRE_IMAGES, ROTATE_LOGS];

/// How long a handler may take; the engine's own deadlines are shorter.
const PROCESS_TIME: Duration = Duration::from_secs(300);
/// How long handlers under way are given when the host ends; the engine is interrupted before.
const GRACE: Duration = Duration::from_secs(10);
/// How many tickets are looked through at once.
const PORTION: usize = 500;
/// The shortest time between two looks that Kharon can repeat.
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The host's tickets. Usable from any thread.
pub(super) struct Tickets {
    kharon: Kharon,
}

fn words(error: impl std::fmt::Display) -> HostError {
    HostError::Tickets(error.to_string())
}

impl Tickets {
    /// Opens the file, or makes an empty one. Nothing is worked on yet.
    ///
    /// Changes survive `kill -9`. What a loss of power takes is laid anew from the registry, so no
    /// change needs to wait for the disk.
    pub(super) fn open(path: &Path) -> Result<Self, HostError> {
        let options = SqliteOptions { durability: Durability::Normal, ..SqliteOptions::default() };
        let store = SqliteStore::open_with(path, &options, SystemClock::new()).map_err(words)?;
        let settings = Settings {
            workers: 2,
            process_time: PROCESS_TIME,
            max_poll_interval: Duration::from_secs(60),
            backoff: Backoff { base: 1.5, max: Duration::from_secs(10), jitter: 0.2 },
            ..Settings::default()
        };
        Ok(Self { kharon: Kharon::new(store, settings).map_err(words)? })
    }

    /// The queue itself.
    pub(super) fn kharon(&self) -> &Kharon {
        &self.kharon
    }

    /// Brings the tickets in line with the registry. Claims of a host that is gone become void.
    pub(super) fn align(
        &self,
        states: &[ProgramState],
        successors: &[ProgramId],
        now: Millis,
    ) -> Result<(), HostError> {
        let mut laid = self.laid(RECONCILE)?;
        laid.extend(self.laid(REDEPLOY)?);
        for successor in successors {
            laid.remove(&ticket_id(REDEPLOY, successor));
            self.redeploy(successor).map_err(words)?;
        }
        for state in states {
            if need(state, now) == Need::Nothing {
                continue;
            }
            laid.remove(&ticket_id(RECONCILE, &state.id));
            self.follow(state, now).map_err(words)?;
        }
        // Those of programs that are as they should be, or that are gone.
        for id in laid {
            self.forget(&id).map_err(words)?;
        }
        Ok(())
    }

    /// All tickets of this kind.
    fn laid(&self, kind: &str) -> Result<BTreeSet<String>, HostError> {
        let filter = Filter { kind: Some(Label::new(kind).map_err(words)?), ..Filter::default() };
        let mut page = Page::first(PORTION);
        let mut laid = BTreeSet::new();
        loop {
            let listing = self.kharon.list(&filter, &page).map_err(words)?;
            laid.extend(listing.tickets.iter().map(|ticket| ticket.id.to_string()));
            match listing.next {
                Some(next) => page.after = Some(next),
                None => return Ok(laid),
            }
        }
    }

    /// A program has changed from `before`: lays, moves or takes away its ticket.
    pub(super) fn changed(
        &self,
        before: &ProgramState,
        after: &ProgramState,
        now: Millis,
    ) -> Result<(), String> {
        if need(before, now) == need(after, now) && before.attempt == after.attempt {
            return Ok(());
        }
        self.follow(after, now)
    }

    fn follow(&self, state: &ProgramState, now: Millis) -> Result<(), String> {
        let id = ticket_id(RECONCILE, &state.id);
        match need(state, now) {
            Need::Nothing => self.forget(&id),
            Need::Restart { delay } | Need::Again { delay, .. } => {
                self.lay(RECONCILE, &state.id, delay)
            }
            Need::Person { reason } => self.give_up(&id, &state.id, &reason),
        }
    }

    /// Has the ticket fall due after this time: the one that is there, whose attempts go on being
    /// counted, or a new one.
    fn lay(&self, kind: &str, program: &ProgramId, delay: Duration) -> Result<(), String> {
        let id = ticket_id(kind, program);
        match self.kharon.retry(&id, Options::new().delay(delay)) {
            Err(UpdateError::NotFound | UpdateError::Settled { .. }) => {
                let ticket = new_ticket(&id, kind).map_err(|error| error.to_string())?;
                let laid = self.kharon.add_or_replace(ticket.delay(delay));
                laid.map(drop).map_err(|error| error.to_string())
            }
            other => other.map_err(|error| error.to_string()),
        }
    }

    /// Leaves the ticket as a dead letter: only a person can help.
    fn give_up(&self, id: &str, program: &ProgramId, reason: &str) -> Result<(), String> {
        let reason = || Options::new().error_reason(reason);
        match self.kharon.fail(id, reason()) {
            Err(UpdateError::NotFound | UpdateError::Settled { .. }) => {
                self.lay(RECONCILE, program, HOUR)?;
                self.kharon.fail(id, reason()).map_err(|error| error.to_string())
            }
            other => other.map_err(|error| error.to_string()),
        }
    }

    /// Has a takeover gone on with at once.
    pub(super) fn redeploy(&self, successor: &ProgramId) -> Result<(), String> {
        self.redeploy_later(successor, Duration::ZERO)
    }

    /// Has a takeover gone on with after this time.
    pub(super) fn redeploy_later(
        &self,
        successor: &ProgramId,
        delay: Duration,
    ) -> Result<(), String> {
        self.lay(REDEPLOY, successor, delay)
    }

    /// Has images looked through that nobody may need any more.
    pub(super) fn expire_images_soon(&self) -> Result<(), String> {
        let soon = Options::new().delay(SECOND);
        self.kharon.retry(EXPIRE_IMAGES, soon).map_err(|error| error.to_string())
    }

    /// A takeover has come to its end.
    pub(super) fn over(&self, successor: &ProgramId) -> Result<(), String> {
        self.forget(&ticket_id(REDEPLOY, successor))
    }

    fn forget(&self, id: &str) -> Result<(), String> {
        match self.kharon.delete(id) {
            Ok(()) | Err(UpdateError::NotFound) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Lays the periodic tickets anew and begins to work.
    pub(super) fn start(
        &self,
        parts: &Arc<Parts>,
        supervisor: &Arc<Supervisor>,
    ) -> Result<(), HostError> {
        let check_every = parts.config.check_every.max(SECOND);
        for (kind, every) in [(HEALTH, check_every), (EXPIRE_IMAGES, HOUR), (ROTATE_LOGS, HOUR)] {
            let ticket = NewTicket::new(kind, kind).map_err(words)?;
            let repeat = Repeat::every(every).map_err(words)?.catch_up(CatchUp::Once);
            // In place of the last host's, which that host may have died with.
            self.kharon.add_or_replace(ticket.repeat(repeat)).map_err(words)?;
        }
        let context = work::Context::new(parts, supervisor);
        self.kharon.start(router(&context)).map_err(words)
    }

    /// Ends the work; what was under way is done again by the next host.
    pub(super) fn stop(&self) {
        self.kharon.stop(GRACE);
    }
}

fn router(context: &work::Context) -> Router {
    let [one, two, three, four, five] = std::array::from_fn(|_| context.clone());
    Router::new()
        .handle(RECONCILE, move |claim| work::reconcile(&one, claim))
        .handle(REDEPLOY, move |claim| work::redeploy(&five, claim))
        .handle(HEALTH, move |_| work::health(&two))
        .handle(EXPIRE_IMAGES, move |_| work::expire_images(&three))
        .handle(ROTATE_LOGS, move |_| {
            work::rotate_logs(&four);
            Ok(())
        })
}

/// The id of a program's ticket of a kind, which is its unique key as well.
fn ticket_id(kind: &str, program: &ProgramId) -> String {
    format!("{kind}.{program}")
}

/// The program that a ticket is about.
pub(super) fn program_of(id: &TicketId) -> Option<ProgramId> {
    let (kind, program) = id.as_str().split_once('.')?;
    [RECONCILE, REDEPLOY].contains(&kind).then(|| program.parse().ok())?
}

fn new_ticket(id: &str, kind: &str) -> Result<NewTicket, hersh::kharon::InvalidName> {
    Ok(NewTicket::new(id, kind)?.unique_key(Label::new(id)?))
}
