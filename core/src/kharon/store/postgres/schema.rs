//! The tables, and how a database gets from an older layout of them to this one.

use postgres::error::SqlState;
use postgres::{Error, GenericClient};

use super::pool::Session;
use super::rows::COLUMNS;

/// How time is told: the database's wall clock, in microseconds since the epoch.
const DATABASE_NOW: &str = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

/// What brings a database from version `n` to `n + 1` stands at place `n`. A step that was ever
/// released is never changed: a further one is added.
///
/// Tickets are wide and lie still: nothing that changes while one is worked on is in an index of
/// `tickets`, so a change finds room on its page and writes no index. What a poll looks through are
/// narrow rows of their own: `ready` ones can be claimed, in the order of their key; `waiting` ones
/// cannot before `due`, their time or the end of their lease, and the first poll after that makes them
/// ready. `place` says which of the two a ticket has a row in. So a poll reads the front of two indexes,
/// however many tickets there are and whatever they wait for.
///
/// Whoever moves a ticket from one place to another holds the lock of its row in `tickets`, and nobody
/// else touches its rows in the others. A statement that began before it got the lock may see a row
/// of `ready` or `waiting` that is gone by then, though the ticket has come back to the same place: so
/// `move` counts the moves of a ticket, and such a row says by which of them it was made.
const STEPS: [&str; 1] = ["
    CREATE TABLE tickets (
        seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id           text COLLATE \"C\" NOT NULL UNIQUE,
        kind         text COLLATE \"C\" NOT NULL,
        tube         text COLLATE \"C\" NOT NULL,
        payload      bytea NOT NULL,
        nice         integer NOT NULL,
        runat        bigint NOT NULL,
        status       smallint NOT NULL,
        place        smallint NOT NULL,
        move         bigint NOT NULL DEFAULT 0,
        attempts     bigint NOT NULL,
        ctime        bigint NOT NULL,
        mtime        bigint NOT NULL,
        error_reason text,
        expires_at   bigint,
        token        bigint,
        lease_until  bigint,
        grp          text COLLATE \"C\",
        unique_key   text COLLATE \"C\",
        held_key     text COLLATE \"C\",
        repeat       text
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
            autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
    CREATE UNIQUE INDEX tickets_key ON tickets (held_key) WHERE held_key IS NOT NULL;
    CREATE INDEX tickets_expiring ON tickets (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE ready (
        tube  text COLLATE \"C\" NOT NULL,
        kind  text COLLATE \"C\" NOT NULL,
        nice  integer NOT NULL,
        runat bigint NOT NULL,
        seq   bigint NOT NULL,
        move  bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (tube, kind, nice, runat, seq)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
            autovacuum_vacuum_cost_delay = 0);
    CREATE TABLE waiting (
        tube text COLLATE \"C\" NOT NULL,
        due  bigint NOT NULL,
        seq  bigint NOT NULL,
        move bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (tube, due, seq)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
            autovacuum_vacuum_cost_delay = 0);
    CREATE TABLE groups (
        name        text COLLATE \"C\" PRIMARY KEY,
        closed      boolean NOT NULL,
        pending     bigint NOT NULL,
        done        bigint NOT NULL,
        failed      bigint NOT NULL,
        cancelled   bigint NOT NULL,
        finalizers  text[] NOT NULL,
        expire_in   bigint NOT NULL,
        finished_at bigint,
        expires_at  bigint
    );
    CREATE INDEX groups_expiring ON groups (expires_at) WHERE expires_at IS NOT NULL;
"];

/// The name of a database's schema that can be written into a statement as it is.
#[derive(Clone, Debug)]
pub(super) struct SchemaName(String);

impl SchemaName {
    /// Lower-case letters, digits and underscores, at most 48, and no digit first.
    pub(super) fn new(name: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let starts = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        let fits = starts && name.len() <= 48 && name.bytes().all(plain);
        // PostgreSQL keeps these names for itself.
        let free = !name.starts_with("pg_") && name != "information_schema";
        (fits && free).then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A statement with the names of this schema's tables and the clock filled in.
    pub(super) fn sql(&self, text: &str) -> String {
        let mut sql = text.replace("{columns}", COLUMNS);
        for table in ["tickets", "ready", "waiting", "groups"] {
            sql = sql.replace(&format!("{{{table}}}"), &format!("\"{}\".{table}", self.0));
        }
        sql.replace("{now}", DATABASE_NOW)
    }
}

/// What was found in the database.
pub(super) enum Layout {
    /// What this version works with, perhaps made just now.
    Ready,
    /// Something else by the same name.
    Foreign,
    /// The work of a later version, which is this.
    TooNew(i32),
}

/// Brings the database to the layout of this version. Only one process does so at a time.
pub(super) fn migrate(session: &mut Session, schema: &SchemaName) -> Result<Layout, Error> {
    // The usual case takes no lock, and needs no right to create anything.
    match version(session.client(), schema)? {
        Found::Version(version) if version == latest() => return Ok(Layout::Ready),
        Found::Version(version) if version > latest() => return Ok(Layout::TooNew(version)),
        Found::Foreign => return Ok(Layout::Foreign),
        Found::Version(_) | Found::Nothing => {}
    }
    let mut transaction = session.client().transaction()?;
    let lock = format!("hersh.kharon.{}", schema.as_str());
    transaction.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&lock])?;
    let from = match version(&mut transaction, schema)? {
        Found::Version(version) if version > latest() => return Ok(Layout::TooNew(version)),
        Found::Foreign => return Ok(Layout::Foreign),
        Found::Version(version) => version,
        Found::Nothing => {
            let name = schema.as_str();
            transaction.batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS \"{name}\";
                 CREATE TABLE \"{name}\".layout (version integer NOT NULL);
                 INSERT INTO \"{name}\".layout VALUES (0);"
            ))?;
            0
        }
    };
    transaction.batch_execute(&format!("SET LOCAL search_path TO \"{}\"", schema.as_str()))?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        transaction.batch_execute(step)?;
    }
    transaction.execute("UPDATE layout SET version = $1", &[&latest()])?;
    transaction.commit()?;
    Ok(Layout::Ready)
}

enum Found {
    Nothing,
    Foreign,
    Version(i32),
}

fn latest() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

fn version(client: &mut impl GenericClient, schema: &SchemaName) -> Result<Found, Error> {
    let name = schema.as_str();
    // Not `to_regclass`: what that has once not found, it does not find in the same transaction
    // after waiting for whoever makes it.
    let tables = client.query_one(
        "SELECT coalesce(bool_or(tablename = 'layout'), false),
                coalesce(bool_or(tablename = 'tickets'), false)
         FROM pg_catalog.pg_tables WHERE schemaname = $1",
        &[&name],
    )?;
    match (tables.get(0), tables.get(1)) {
        (false, false) => Ok(Found::Nothing),
        (false, true) => Ok(Found::Foreign),
        (true, _) => {
            match client.query(&format!("SELECT version FROM \"{name}\".layout"), &[]) {
                Ok(rows) => Ok(match rows.as_slice() {
                    [row] => row.try_get(0).map_or(Found::Foreign, Found::Version),
                    _ => Found::Foreign,
                }),
                // A table of this name without such a column is somebody else's.
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
                    Ok(Found::Foreign)
                }
                Err(error) => Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for name in ["kharon", "_a1", "t_2"] {
            assert!(SchemaName::new(name).is_some(), "{name}");
        }
        for name in ["", "1a", "Kharon", "a-b", "a\"b", "pg_temp", "information_schema"] {
            assert!(SchemaName::new(name).is_none(), "{name}");
        }
    }
}
