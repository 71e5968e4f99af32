//! Tickets in a SQLite file: embedded, durable, shared by the processes of one machine.
//!
//! Calls that write run on their callers' threads, one at a time, and take along what others want done:
//! one transaction, one wait for the disk. Reads have a connection of their own, and wait for no writer.
//! An answer is given after the commit; a claim is the one thing that does not wait for the disk. Tickets
//! are counted, and the ends of claims kept, by the batch: no call looks at more tickets than it is about,
//! but a listing. Time is the clock of each process.

mod adding;
mod claiming;
mod counts;
mod file;
mod groups;
mod lanes;
mod leases;
mod memo;
mod options;
mod rows;
mod schema;
mod settling;
mod tokens;
mod tx;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, params};

use super::{
    Added, Addition, Cursor, Expired, Filter, Listing, Page, Poll, Polled, Store, StoreStats, Turn,
    Update,
};
use crate::kharon::bell::{Bell, Bells};
use crate::kharon::error::{AddError, GroupError, StoreError, StoreFault, UpdateError};
use crate::kharon::group::{Group, NewGroup};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::ticket::{Status, Ticket};
use crate::kharon::time::{Clock, SystemClock};
use lanes::Lanes;
use rows::columns;
use tx::Tx;
use writer::Writer;

pub use options::{Durability, SqliteOptions};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tickets in a SQLite file.
///
/// A change that is acknowledged survives what its [`Durability`] says: by default the end of the
/// process and the loss of power. Callers that come while another one waits for the disk are served
/// together and wait for it once; many tickets in one call are one wait as well.
///
/// Several processes of one machine may use one file at once. Time is the [`Clock`] of each of
/// them. A file that is not Kharon's, that a later version wrote, or that has lost its end, is
/// refused and left as it is.
///
/// ```
/// use hersh::kharon::{Kharon, NewTicket, Settings, SqliteStore};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tickets.db");
/// let kharon = Kharon::new(SqliteStore::open(&path)?, Settings::default())?;
/// kharon.add(NewTicket::new("one", "greet")?)?;
/// drop(kharon);
///
/// let kharon = Kharon::new(SqliteStore::open(&path)?, Settings::default())?;
/// assert!(kharon.get("one")?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    reader: Mutex<Reader>,
    clock: Arc<dyn Clock>,
    bells: Bells,
}

struct Reader {
    connection: Connection,
    lanes: Lanes,
}

impl SqliteStore {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// [`StoreFault::Foreign`], [`TooNew`](StoreFault::TooNew) or
    /// [`Corrupt`](StoreFault::Corrupt) when the file cannot be used; it is then left as it is.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::default(), SystemClock::new())
    }

    /// Opens a file with options, and on a clock of one's own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        path: impl AsRef<Path>,
        options: &SqliteOptions,
        clock: impl Clock,
    ) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        let connection = file::open(&path, options)?;
        let reader = Reader { connection: file::reader(&path, options)?, lanes: Lanes::default() };
        let store = Self {
            path,
            writer: Writer::new(connection, options.durability),
            reader: Mutex::new(reader),
            clock: Arc::new(clock),
            bells: Bells::new(),
        };
        // Durably, so that no token of this process is ever given again.
        store.write(true, |tx| tx.tokens.reserve(tx.connection))?;
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file and checks that it is in order. Takes as long as reading it does.
    ///
    /// # Errors
    /// [`StoreFault::Corrupt`] when it is not.
    pub fn verify(&self) -> Result<(), StoreError> {
        let reader = lock(&self.reader);
        let verdict: String =
            reader.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::new(StoreFault::Corrupt, verdict)) }
    }

    fn write<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(&*self.clock, &self.bells, durable, work)
    }

    /// A change of a group: what refuses it is the caller's affair, and only trouble with the file
    /// undoes the transaction, with whatever else is in it.
    fn write_group(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(), GroupError> + Send + 'static,
    ) -> Result<(), GroupError> {
        self.write(true, |tx| match work(tx) {
            Err(GroupError::Store(error) | GroupError::Finalizer(AddError::Store(error))) => {
                Err(error)
            }
            answer => Ok(answer),
        })?
    }
}

fn update_all(
    tx: &mut Tx<'_>,
    updates: &[Update],
) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
    let update = |update| match tx.update(update) {
        Err(UpdateError::Store(error)) => Err(error),
        answer => Ok(answer),
    };
    updates.iter().map(update).collect()
}

impl Store for SqliteStore {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        self.write(true, move |tx| tx.add_all(additions))
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        let Reader { connection, lanes } = &mut *lock(&self.reader);
        let mut find = connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE id = ?1"
        ))?;
        let mut rows = find.query([id.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        lanes.meet(connection, row.get(2)?)?;
        rows::read(row, lanes).map(|kept| Some(kept.ticket))
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        self.write(true, move |tx| update_all(tx, &updates))
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let poll = poll.clone();
        self.write(false, move |tx| tx.poll(&poll))
    }

    fn turn(&self, updates: Vec<Update>, poll: &Poll) -> Turn {
        let poll = poll.clone();
        let durable = !updates.is_empty();
        let work = move |tx: &mut Tx<'_>| Ok((update_all(tx, &updates)?, tx.poll(&poll)?));
        match self.write(durable, work) {
            Ok((answers, claimed)) => Turn { updated: Ok(answers), polled: Ok(claimed) },
            Err(error) => Turn { updated: Err(error.clone()), polled: Err(error) },
        }
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        self.write(false, move |tx| tx.expire(at_most))
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let Reader { connection, lanes } = &mut *lock(&self.reader);
        lanes.learn(connection)?;
        let mut list = connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE seq > ?1 AND (?2 IS NULL OR max(state, 4) - 4 = ?2) \
             AND (?3 IS NULL OR group_name = ?3) \
             AND ((?4 IS NULL AND ?5 IS NULL) OR lane IN (SELECT lane FROM lanes \
             WHERE (?4 IS NULL OR tube = ?4) AND (?5 IS NULL OR kind = ?5))) \
             ORDER BY seq LIMIT ?6"
        ))?;
        let after = page.after.map_or(0, |cursor| cursor.0.cast_signed());
        let mut rows = list.query(params![
            after,
            filter.status.map(Status::code),
            filter.group.as_ref().map(Label::as_str),
            filter.tube.as_ref().map(Label::as_str),
            filter.kind.as_ref().map(Label::as_str),
            i64::try_from(page.at_most).unwrap_or(i64::MAX),
        ])?;
        let mut listing = Listing::default();
        let mut end = after;
        while let Some(row) = rows.next()? {
            lanes.meet(connection, row.get(2)?)?;
            let kept = rows::read(row, lanes)?;
            listing.tickets.push(kept.ticket);
            end = kept.seq;
        }
        let full = !listing.tickets.is_empty() && listing.tickets.len() >= page.at_most;
        listing.next = full.then_some(Cursor(end.cast_unsigned()));
        Ok(listing)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        let Reader { connection, .. } = &*lock(&self.reader);
        // As many rows as there are types in tubes, and batches of claims: tickets are not counted.
        let mut count = connection.prepare_cached(
            "SELECT total(open) FILTER (WHERE until = 0), total(open) FILTER (WHERE until > 0), \
             total(done), total(failed), total(cancelled) FROM ledger",
        )?;
        let stats = count.query_row([], |row| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a sum of counts, of which no file holds 2^53"
            )]
            let count = |at| row.get::<_, f64>(at).map(|count| count as u64);
            Ok(StoreStats {
                pending: count(0)?,
                claimed: count(1)?,
                done: count(2)?,
                failed: count(3)?,
                cancelled: count(4)?,
            })
        })?;
        Ok(stats)
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        self.write_group(move |tx| tx.open_group(group))
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        let name = name.clone();
        self.write_group(move |tx| tx.close_group(&name))
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        groups::find(&lock(&self.reader).connection, name)
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        let name = name.clone();
        self.write_group(move |tx| tx.delete_group(&name))
    }

    fn hang(&self, bell: &Arc<Bell>) {
        self.bells.hang(bell);
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let fault = match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure,
            ) => StoreFault::Unavailable,
            Some(ErrorCode::DiskFull) => StoreFault::Full,
            Some(ErrorCode::NotADatabase) => StoreFault::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => StoreFault::Corrupt,
            _ => StoreFault::Broken,
        };
        Self::new(fault, "the store's file").with_cause(error)
    }
}
