//! Tickets in PostgreSQL, for many processes on many machines.
//!
//! # What it promises beyond every store
//! - An `add` or `update` that returned is as durable as the server makes a commit: with its
//!   defaults, flushed to disk. A claim alone does not wait for the disk: what a crash of the
//!   *server* forgets of claims is claimed again.
//! - Time is the server's, so the clocks of the workers' machines are of no account. It is the
//!   server's wall clock: if that is set an hour ahead, what is due within that hour is up to an hour
//!   early, and claims end early; if it is set back, what waits is late by as much. No ticket is lost
//!   or run after its Done by it. A [clock](PostgresOptions::clock) of the process's own is not moved.
//! - A connection that breaks is opened again. A call is sent again only if the server said that it
//!   did nothing, or if doing it twice is doing it once; otherwise the caller is told that nobody
//!   knows, as [`StoreFault::Unavailable`].
//!
//! # What it costs
//! Claiming and settling read and write nothing that grows with the number of tickets. So does
//! counting them: each call that changes how many there are adds a row that says by how many, and the
//! stores fold these rows together as they go. Tickets lie on half-filled pages, so that what a claim
//! and its end change of them stays on the page and touches no index: they take twice the room.
//!
//! # What it needs
//! A server of version 12 or later, and the right to create a schema, or a schema that was created
//! beforehand. Its connections keep settings and prepared statements, so a pooler in between must
//! keep sessions, or prepared statements at least. Notifications only shorten the wait of workers in
//! other processes: where they are [turned off](PostgresOptions::listen), or a pooler drops them,
//! workers find new tickets by polling. Tables of an older version are brought up to date by the first
//! process of this one that opens them; processes of the older version are refused from then on, and
//! what they had claimed is claimed again.
//!
//! # Why another feature
//! The client that is worth trusting, `postgres`, runs an async one inside. It is a private affair
//! of a few connections, but the core is to link no async runtime: so this store is off by default.

mod add;
mod error;
mod groups;
mod listen;
mod options;
mod poll;
mod pool;
mod reading;
mod rows;
mod schema;
mod update;

pub use ::postgres as client;
pub use options::PostgresOptions;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ::postgres::Row;

use self::listen::Listener;
use self::poll::{Habits, Turned};
use self::pool::{Fault, Pool, Repeat, Session, Trouble};
use self::rows::Kept;
use super::{
    Added, Addition, Expired, Filter, Listing, Page, Poll, Polled, Store, StoreStats, Turn, Update,
};
use crate::kharon::bell::{Bell, Bells};
use crate::kharon::error::{AddError, GroupError, StoreError, StoreFault, UpdateError};
use crate::kharon::group::{Group, NewGroup};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::ticket::Ticket;
use crate::kharon::time::{Clock, Timestamp};

/// Tickets in PostgreSQL: see the [module](self).
///
/// ```no_run
/// use hersh::kharon::store::postgres::PostgresStore;
///
/// let store = PostgresStore::connect("postgresql://worker@db.example/jobs")?;
/// # Ok::<(), hersh::kharon::StoreError>(())
/// ```
///
/// Its calls block for as long as the server takes, up to the
/// [patience](PostgresOptions::patience) of the store where the server is away.
pub struct PostgresStore {
    core: Arc<Core>,
    bells: Arc<Bells>,
    listener: Option<Listener>,
}

/// The connections and the clock.
struct Core {
    pool: Pool,
    clock: Option<Arc<dyn Clock>>,
    habits: Habits,
    /// How many calls have changed how many tickets there are.
    counted: AtomicU32,
}

impl PostgresStore {
    /// The store at an address, with the default [options](PostgresOptions). Makes its tables
    /// where there are none, and brings older ones up to date.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; when the tables are somebody else's
    /// ([`StoreFault::Foreign`]) or of a later version ([`StoreFault::TooNew`]).
    pub fn connect(address: &str) -> Result<Self, StoreError> {
        PostgresOptions::new().connect(address)
    }
}

impl Core {
    fn run<T>(
        &self,
        repeat: Repeat,
        work: impl FnMut(&mut Session) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        self.pool.run(repeat, work)
    }

    /// Counts a call that may have made tallies, and sees at times that they do not become many.
    fn count(&self) {
        let counted = self.counted.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if counted.is_multiple_of(reading::FOLDED) {
            // Where it cannot be done now, the next time makes up for it.
            let _ = reading::fold(self);
        }
    }

    /// The time, where the server is not to say it.
    fn given_now(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().to_database())
    }

    fn now(&self, session: &mut Session) -> Result<Timestamp, Trouble> {
        if let Some(clock) = &self.clock {
            return Ok(clock.now());
        }
        let rows = session.query("SELECT {now}", &[])?;
        let row = rows.first().ok_or_else(|| error::corrupt("no time"))?;
        Ok(Timestamp::from_database(row.try_get(0)?))
    }
}

/// A random number.
fn chance() -> Result<i64, StoreError> {
    let random = getrandom::u64().map_err(|error| {
        let message = "the operating system gave no random numbers";
        StoreError::new(StoreFault::Broken, message).with_cause(error)
    })?;
    Ok(random.cast_signed())
}

fn read_all(rows: &[Row]) -> Result<Vec<Kept>, StoreError> {
    rows.iter().map(rows::ticket).collect()
}

impl PostgresStore {
    /// Tells the workers, here and elsewhere, that there may be something to do.
    fn ring(&self, tickets: usize) {
        self.bells.ring(tickets);
        if let Some(listener) = &self.listener {
            listener.announce();
        }
    }
}

impl Store for PostgresStore {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        let answers = add::add(&self.core, &additions)?;
        self.core.count();
        let is_new =
            |answer: &&Result<Added, AddError>| matches!(answer, Ok(Added::New | Added::Replaced));
        let new = answers.iter().filter(is_new).count();
        // Those too that are not ready yet: whoever waits has to learn until when.
        if new > 0 {
            self.ring(new);
        }
        Ok(answers)
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        reading::get(&self.core, id)
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let changed = update::update(&self.core, &updates)?;
        self.core.count();
        if changed.woke {
            self.ring(updates.len());
        }
        Ok(changed.answers)
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        poll::poll(&self.core, poll)
    }

    fn turn(&self, updates: Vec<Update>, poll: &Poll) -> Turn {
        match poll::turn(&self.core, &updates, poll) {
            None => Turn { updated: self.update(updates), polled: self.poll_pending(poll) },
            Some(Err(error)) => Turn { updated: Err(error.clone()), polled: Err(error) },
            Some(Ok(Turned { changed, polled })) => {
                self.core.count();
                if changed.woke {
                    self.ring(updates.len());
                }
                Turn { updated: Ok(changed.answers), polled }
            }
        }
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        let expired = reading::expire(&self.core, at_most)?;
        self.core.count();
        Ok(expired)
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        reading::list(&self.core, filter, page)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        reading::stats(&self.core)
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        groups::open(&self.core, &group)
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        if groups::close(&self.core, name)? {
            self.ring(crate::kharon::group::MAX_FINALIZERS);
        }
        Ok(())
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        groups::get(&self.core, name)
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        groups::delete(&self.core, name)
    }

    fn hang(&self, bell: &Arc<Bell>) {
        self.bells.hang(bell);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}
