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
/// narrow rows of their own: `ready` ones can be claimed, in the order of their key; `delays` keep a
/// ticket from that until it is `due`; and a row of `leases` stands for all tickets of one claim, until
/// it is over. The first poll after that makes them ready. `place` says which of the three has a
/// ticket (1, 2, 3; settled ones are in none). So a poll reads the front of three indexes, however
/// many tickets there are and whatever they wait for.
///
/// Whoever moves a ticket from one place to another holds the lock of its row in `tickets`, and nobody
/// else touches its rows in the others. A statement that began before it got the lock may see a row
/// of `ready` or `delays` that is gone by then, though the ticket has come back to the same place: so
/// `move` counts the moves of a ticket, and such a row says by which of them it was made. That a lease
/// is a ticket's is said by the ticket alone. `open` counts those whose it still is: the row goes with
/// the last one, or when it is over. It may be too high where two settled tickets of one claim at once,
/// never too low.
///
/// How many tickets there are is the sum of `tallies`: each statement that changes it adds a row, since
/// one row for all would be one lock for all; now and then many of them are folded into one.
const STEPS: [&str; 2] = [FIRST, LEASES_AND_TALLIES];

const FIRST: &str = "
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
";

/// Claims get rows by the batch, and `waiting` another name, so that processes of the version before,
/// which would not count what they do, are refused. On a page of `tickets` there is room for a second
/// version of each: a claim of many that lie together finds it there, too.
const LEASES_AND_TALLIES: &str = "
    LOCK TABLE tickets, ready, waiting, groups IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE waiting RENAME TO delays;
    ALTER TABLE tickets ADD COLUMN lease bigint;
    ALTER TABLE tickets SET (fillfactor = 50);
    CREATE TABLE leases (
        tube  text COLLATE \"C\" NOT NULL,
        until bigint NOT NULL,
        lease bigint NOT NULL,
        open  bigint NOT NULL,
        seqs  bigint[] NOT NULL,
        PRIMARY KEY (tube, until, lease)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
            autovacuum_vacuum_cost_delay = 0);
    INSERT INTO leases (tube, until, lease, open, seqs)
    SELECT tube, lease_until, token, 1, ARRAY[seq] FROM tickets WHERE place = 2 AND token IS NOT NULL;
    DELETE FROM delays AS d USING tickets AS t
    WHERE t.seq = d.seq AND t.place = 2 AND t.token IS NOT NULL;
    UPDATE tickets SET place = 3, lease = token WHERE place = 2 AND token IS NOT NULL;
    CREATE TABLE tallies (
        pending   bigint NOT NULL,
        done      bigint NOT NULL,
        failed    bigint NOT NULL,
        cancelled bigint NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
            autovacuum_vacuum_cost_delay = 0);
    INSERT INTO tallies (pending, done, failed, cancelled)
    SELECT count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 1),
        count(*) FILTER (WHERE status = 2), count(*) FILTER (WHERE status = 3)
    FROM tickets;
";

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
        for table in ["tickets", "ready", "delays", "leases", "tallies", "groups"] {
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
    // A step may look at every ticket, however long that takes.
    transaction.batch_execute(&format!(
        "SET LOCAL search_path TO \"{}\"; SET LOCAL statement_timeout = 0",
        schema.as_str()
    ))?;
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
