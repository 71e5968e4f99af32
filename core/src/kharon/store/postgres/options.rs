//! How a store reaches its server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use postgres::{Client, Config, Error, NoTls};

use super::listen::Listener;
use super::poll::Habits;
use super::pool::{Connect, Pool, Repeat};
use super::schema::{self, Layout, SchemaName};
use super::{Core, PostgresStore};
use crate::kharon::bell::Bells;
use crate::kharon::error::{StoreError, StoreFault};
use crate::kharon::time::Clock;

/// How a [`PostgresStore`] reaches its server, and what it does there.
///
/// ```no_run
/// use std::time::Duration;
/// use hersh::kharon::store::postgres::PostgresOptions;
///
/// let store = PostgresOptions::new()
///     .schema("mail")
///     .connections(4)
///     .patience(Duration::from_secs(2))
///     .connect("postgresql://worker@db.example/jobs")?;
/// # Ok::<(), hersh::kharon::StoreError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct PostgresOptions {
    schema: String,
    connections: usize,
    patience: Duration,
    listen: bool,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "kharon".to_owned(),
            connections: 6,
            patience: Duration::from_secs(5),
            listen: true,
            clock: None,
        }
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema that has the tables: `kharon` unless said otherwise. Lower-case letters, digits
    /// and underscores, at most 48. Stores of different schemas have nothing to do with each other.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// The most connections that calls use at once: 6 unless said otherwise, at least 1. Listening
    /// takes one more.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// How long a call waits for a connection, or for a server that is away: 5 s unless said
    /// otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether to tell other processes of new tickets, and to listen to them: so unless said
    /// otherwise. A notification is sent after the commit and by itself, at most every 5 ms, so no
    /// commit of tickets takes the lock that notifying takes.
    pub fn listen(mut self, listen: bool) -> Self {
        self.listen = listen;
        self
    }

    /// Goes by this clock instead of the server's: a [`VirtualClock`](crate::kharon::VirtualClock) in
    /// tests and simulations, or a [`SystemClock`](crate::kharon::SystemClock), which no step of
    /// anybody's wall clock moves. All processes that use the store must go by clocks that agree, to
    /// well within `process_time`, or tickets and the ends of claims are early for some of them.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The store at an address, without TLS. Bounds are set for connecting (5 s) and for a network
    /// that swallows everything (30 s) where the address sets none.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`].
    pub fn connect(self, address: &str) -> Result<PostgresStore, StoreError> {
        let mut config: Config = address.parse().map_err(|error: Error| {
            StoreError::new(StoreFault::Broken, "not an address of PostgreSQL").with_cause(error)
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        self.connect_with(move || config.connect(NoTls))
    }

    /// The store that this opens connections to. For TLS: the crates `postgres-native-tls` and
    /// `tokio-postgres-rustls` make what [`Config::connect`] takes.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`].
    pub fn connect_with(
        self,
        open: impl Fn() -> Result<Client, Error> + Send + Sync + 'static,
    ) -> Result<PostgresStore, StoreError> {
        let Some(schema) = SchemaName::new(&self.schema) else {
            let message = format!("{:?} cannot be the name of a schema", self.schema);
            return Err(StoreError::new(StoreFault::Broken, message));
        };
        let open: Connect = Arc::new(open);
        let pool = Pool::new(Arc::clone(&open), schema.clone(), self.connections, self.patience);
        let (clock, habits, counted) = (self.clock, Habits::new(), AtomicU32::new(0));
        let core = Arc::new(Core { pool, clock, habits, counted });
        let layout =
            core.run(Repeat::Harmless, |session| Ok(schema::migrate(session, &schema)?))?;
        match layout {
            Layout::Ready => {}
            Layout::Foreign => {
                let message = format!("the schema {:?} has other tables", schema.as_str());
                return Err(StoreError::new(StoreFault::Foreign, message));
            }
            Layout::TooNew(version) => {
                let message = format!("its tables are of the later version {version}");
                return Err(StoreError::new(StoreFault::TooNew, message));
            }
        }
        let bells = Arc::new(Bells::new());
        let listener =
            self.listen.then(|| Listener::start(open, &core, &bells, &schema)).transpose()?;
        Ok(PostgresStore { core, bells, listener })
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}
