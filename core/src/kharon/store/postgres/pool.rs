//! A few connections, shared: never more than a bound, opened again with growing pauses while the
//! server is away, and repeated only where a repetition cannot do a thing twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Error, Row, Statement};

use super::schema::SchemaName;
use crate::kharon::error::StoreError;

/// Opens a connection: the address, the password and TLS are the caller's.
pub(super) type Connect = Arc<dyn Fn() -> Result<Client, Error> + Send + Sync>;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// A connection that nobody used for so long is looked at first: one that broke in between is then
/// known to have done nothing.
const DOUBTFUL: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Why a call to the server came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// All connections were in use for as long as one may wait.
    Busy,
    /// The server could not be reached, or went away before anything was done.
    Away(Error),
    /// The connection broke while the server worked: it may or may not have done what it was asked.
    Unknown(Error),
    /// Others were at the same rows, so the server undid what was done.
    Conflict(Error),
    /// The server refused.
    Refused(Error),
    /// What the server answered makes no sense.
    Senseless(StoreError),
    /// The work undid itself.
    Undone,
}

/// What ends a piece of work.
pub(super) enum Trouble {
    /// The server, or the way to it.
    Server(Error),
    /// What it answered.
    Answer(StoreError),
    /// None: what was done so far is not wanted any more.
    Undo,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

/// Whether a call may be sent again when nobody knows what became of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Doing it twice is doing it once.
    Harmless,
    /// Only when the server said that it did nothing.
    OnlyUndone,
}

/// One connection, and the statements that it has prepared.
pub(super) struct Session {
    client: Client,
    schema: SchemaName,
    /// By where the text of the statement lies, and how long it is: texts are constants.
    statements: HashMap<(usize, usize), Statement>,
    used: Instant,
}

impl Session {
    fn open(connect: &Connect, schema: &SchemaName) -> Result<Self, Error> {
        let mut client = connect()?;
        // Plans are made once, when the tables may still be empty: only index scans stay good. The
        // last is for a process that is stopped: it must not keep its locks.
        client.batch_execute(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
             SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
             SET jit = off; SET statement_timeout = '60s';
             SET idle_in_transaction_session_timeout = '15s'",
        )?;
        Ok(Self {
            client,
            schema: schema.clone(),
            statements: HashMap::new(),
            used: Instant::now(),
        })
    }

    /// Whether calls can be expected to reach the server.
    fn is_alive(&mut self) -> bool {
        !self.client.is_closed()
            && (self.used.elapsed() < DOUBTFUL || self.client.check_connection().is_ok())
    }

    /// The connection itself, for what is not prepared.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs a statement, preparing it when this connection first meets it.
    pub(super) fn query(
        &mut self,
        text: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = match self.statements.entry((text.as_ptr() as usize, text.len())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.client.prepare(&self.schema.sql(text))?),
        };
        self.client.query(statement, values)
    }

    /// Runs what belongs together in one transaction.
    pub(super) fn atomically<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.client.batch_execute("BEGIN")?;
        match work(self) {
            Ok(value) => {
                self.client.batch_execute("COMMIT")?;
                Ok(value)
            }
            Err(trouble) => {
                // Where this fails too, the connection is broken, and the server rolls back.
                let _ = self.client.batch_execute("ROLLBACK");
                Err(trouble)
            }
        }
    }
}

#[derive(Default)]
struct Stock {
    idle: Vec<Session>,
    /// Idle and lent together.
    open: usize,
}

pub(super) struct Pool {
    connect: Connect,
    schema: SchemaName,
    most: usize,
    patience: Duration,
    stock: Mutex<Stock>,
    freed: Condvar,
}

impl Pool {
    /// At most `most` connections; a call gives up after `patience`.
    pub(super) fn new(
        connect: Connect,
        schema: SchemaName,
        most: usize,
        patience: Duration,
    ) -> Self {
        Self {
            connect,
            schema,
            most: most.max(1),
            patience,
            stock: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Lends a connection to `work`, again after a pause where that is harmless and may help.
    pub(super) fn run<T>(
        &self,
        repeat: Repeat,
        mut work: impl FnMut(&mut Session) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let fault = match self.attempt(deadline, &mut work) {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            let again = match &fault {
                Fault::Away(_) | Fault::Conflict(_) => true,
                Fault::Unknown(_) => repeat == Repeat::Harmless,
                Fault::Busy | Fault::Refused(_) | Fault::Senseless(_) | Fault::Undone => false,
            };
            if !again || Instant::now() + pause >= deadline {
                return Err(fault);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt<T>(
        &self,
        deadline: Instant,
        work: &mut impl FnMut(&mut Session) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        let mut loan = self.borrow(deadline)?;
        if loan.session.as_mut().is_some_and(|session| !session.is_alive()) {
            loan.session = None;
            self.forget_idle();
        }
        if loan.session.is_none() {
            let session = Session::open(&self.connect, &self.schema);
            loan.session = Some(session.map_err(connecting)?);
        }
        // It was filled just now.
        let session = loan.session.as_mut().ok_or(Fault::Busy)?;
        let result = work(session);
        if let Err(Trouble::Server(error)) = &result
            && (session.client.is_closed() || is_broken(error))
        {
            // What broke this one has most likely broken the others too.
            loan.session = None;
            self.forget_idle();
        }
        result.map_err(|trouble| match trouble {
            Trouble::Server(error) => working(error),
            Trouble::Answer(error) => Fault::Senseless(error),
            Trouble::Undo => Fault::Undone,
        })
    }

    fn borrow(&self, deadline: Instant) -> Result<Loan<'_>, Fault> {
        let mut stock = self.lock();
        loop {
            if let Some(session) = stock.idle.pop() {
                return Ok(Loan { pool: self, session: Some(session) });
            }
            if stock.open < self.most {
                stock.open += 1;
                return Ok(Loan { pool: self, session: None });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Busy);
            }
            stock = self.freed.wait_timeout(stock, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn forget_idle(&self) {
        let mut stock = self.lock();
        let forgotten = std::mem::take(&mut stock.idle);
        stock.open -= forgotten.len();
        drop(stock);
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        // The stock is whole between any two statements that change it.
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, or the right to open one; given back when dropped, also by a panic.
struct Loan<'a> {
    pool: &'a Pool,
    session: Option<Session>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut stock = self.pool.lock();
        // A panic may have left a transaction open on it: such a one is closed.
        match self.session.take() {
            Some(mut session) if !thread::panicking() => {
                session.used = Instant::now();
                stock.idle.push(session);
            }
            broken => {
                stock.open -= 1;
                drop(stock);
                drop(broken);
            }
        }
        self.pool.freed.notify_one();
    }
}

fn connecting(error: Error) -> Fault {
    if error.code().is_none_or(says_undone) { Fault::Away(error) } else { Fault::Refused(error) }
}

fn working(error: Error) -> Fault {
    match error.code() {
        Some(code) if says_undone(code) => Fault::Away(error),
        Some(code) if says_conflict(code) => Fault::Conflict(error),
        None if is_broken(&error) => Fault::Unknown(error),
        _ => Fault::Refused(error),
    }
}

/// The server rolled back, and the same call may succeed later.
fn says_undone(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

/// Two transactions met. A unique violation is one as well: each looks before it writes, so the
/// next look finds what the other wrote.
fn says_conflict(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
    ]
    .contains(code)
}

/// No further call can succeed on this connection.
fn is_broken(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
        None => {
            error.is_closed()
                || std::error::Error::source(error)
                    .is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        }
    }
}
