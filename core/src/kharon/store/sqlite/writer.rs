//! Group commit: callers that come while another one writes are served together, in one
//! transaction, and wait for the disk once.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::lanes::Lanes;
use super::memo::Memo;
use super::tokens::Tokens;
use super::tx::Tx;
use super::{Durability, lock};
use crate::kharon::bell::Bells;
use crate::kharon::error::{StoreError, StoreFault};
use crate::kharon::time::Clock;

/// The most callers that are served together.
const MOST: usize = 64;

/// How long one who is to wait for the disk waits first for the others who came lately, to go with them.
/// Short beside what a disk takes.
const LINGER: Duration = Duration::from_micros(60);

/// Something to be done in a transaction.
trait Job: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    /// Tells the caller, after the transaction.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
    /// Whether the caller must not be answered before the disk has it.
    fn is_durable(&self) -> bool;
}

type Slot<T> = Arc<Mutex<Option<Result<T, StoreError>>>>;

struct Task<T, F> {
    work: Option<F>,
    result: Option<T>,
    slot: Slot<T>,
    durable: bool,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(tx)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, slot, .. } = *self;
        let answer = outcome.and_then(|()| result.ok_or_else(unserved));
        *lock(&slot) = Some(answer);
    }

    fn is_durable(&self) -> bool {
        self.durable
    }
}

fn unserved() -> StoreError {
    StoreError::new(StoreFault::Broken, "the store did not come to serve this call")
}

/// The connection that writes, and who waits for it.
pub(super) struct Writer {
    queue: Mutex<Vec<Box<dyn Job>>>,
    desk: Mutex<Desk>,
    full: bool,
}

struct Desk {
    connection: Connection,
    lanes: Lanes,
    memo: Memo,
    tokens: Tokens,
    /// What SQLite said when this process wrote last; it says otherwise when others have written.
    version: i64,
    /// Whether commits wait for the disk at present.
    waits: bool,
    /// How many callers there were of late: those served together last, and those who came meanwhile.
    callers: usize,
}

impl Writer {
    pub(super) fn new(connection: Connection, durability: Durability) -> Self {
        let full = durability == Durability::Full;
        let desk = Desk {
            connection,
            lanes: Lanes::default(),
            memo: Memo::default(),
            tokens: Tokens::default(),
            version: 0,
            waits: full,
            callers: 1,
        };
        Self { queue: Mutex::default(), desk: Mutex::new(desk), full }
    }

    /// Does something in a transaction, together with what others want done.
    pub(super) fn write<T: Send + 'static>(
        &self,
        clock: &dyn Clock,
        bells: &Bells,
        durable: bool,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let slot: Slot<T> = Arc::default();
        let durable = durable && self.full;
        let task = Task { work: Some(work), result: None, slot: Arc::clone(&slot), durable };
        lock(&self.queue).push(Box::new(task));
        // Whoever gets the desk serves all who wait, so most find themselves served.
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = lock(&slot).take() {
                return answer;
            }
            if durable {
                self.linger(desk.callers);
            }
            let mut queue = lock(&self.queue);
            let most = queue.len().min(MOST);
            let mut jobs: Vec<_> = queue.drain(..most).collect();
            drop(queue);
            if jobs.is_empty() {
                // Whoever took this call along did not live to answer it.
                return Err(unserved());
            }
            let outcome = desk.serve(&mut jobs, clock);
            desk.callers = jobs.len() + lock(&self.queue).len();
            if let Ok(news @ 1..) = outcome {
                bells.ring(news);
            }
            let outcome = outcome.map(drop);
            for job in jobs {
                job.finish(outcome.clone());
            }
        }
    }

    /// Lets callers come who are on their way again: without this, those who were served together would
    /// find that one was faster, and wait for the disk twice as often.
    fn linger(&self, callers: usize) {
        let began = Instant::now();
        while lock(&self.queue).len() < callers.min(MOST) && began.elapsed() < LINGER {
            thread::yield_now();
        }
    }
}

impl Desk {
    /// Runs jobs in one transaction. How many tickets became ready.
    fn serve(&mut self, jobs: &mut [Box<dyn Job>], clock: &dyn Clock) -> Result<usize, StoreError> {
        if !self.connection.is_autocommit() {
            // Somebody panicked in the middle of a transaction.
            self.undo();
        }
        let waits = jobs.iter().any(|job| job.is_durable());
        self.wait_for_disk(waits)?;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let served = self.run(jobs, clock);
        if served.is_err() {
            self.undo();
        }
        served
    }

    /// Undoes a transaction, and forgets what was learnt in it.
    fn undo(&mut self) {
        if !self.connection.is_autocommit() {
            // Where this fails, the next transaction cannot begin, and says so.
            _ = self.connection.execute_batch("ROLLBACK");
        }
        self.lanes.clear();
        self.tokens.clear();
    }

    fn run(&mut self, jobs: &mut [Box<dyn Job>], clock: &dyn Clock) -> Result<usize, StoreError> {
        let Self { connection, lanes, memo, tokens, version, .. } = self;
        let seen = connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get::<_, i64>(0))?;
        if std::mem::replace(version, seen) != seen {
            lanes.clear();
        }
        // Read with the file locked, so that times of different processes are in order.
        let mut tx = Tx::new(connection, lanes, memo, tokens, clock.now());
        for job in jobs {
            job.run(&mut tx)?;
        }
        tx.close_leases()?;
        tx.write_counts()?;
        let news = tx.news;
        drop(tx);
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(news)
    }

    /// A claim that a loss of power takes back harms nobody, since it also ends who made it: only
    /// other changes wait for the disk.
    fn wait_for_disk(&mut self, waits: bool) -> Result<(), StoreError> {
        if waits != self.waits {
            let level = if waits { "PRAGMA synchronous = 2" } else { "PRAGMA synchronous = 1" };
            self.connection.execute_batch(level)?;
            self.waits = waits;
        }
        Ok(())
    }
}
