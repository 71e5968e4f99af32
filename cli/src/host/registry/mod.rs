//! What the host knows of its programs, kept in an embedded database that survives the host's and
//! the machine's sudden end.
mod feed;
mod keys;
mod layout;
mod tokens;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::HostError;
use super::storage::Meta;
use super::view::{EventView, Timestamp};
use crate::program::{
    Attempt, ContainerId, Event, ImageId, Millis, ProgramId, ProgramState, Reduced, State,
};

pub use feed::{Feed, FeedFilter, FeedNews, Happening};
pub use keys::{KeyedAnswer, RequestKey};
pub use tokens::{Bearer, NewToken, TokenPage, TokenView, is_token_id};

/// Events that are kept of each program.
const HISTORY: i64 = 1_000;
/// One registered program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// What it is.
    pub meta: Meta,
    /// What is known about it.
    pub state: ProgramState,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// The registry. Usable from any thread; calls wait for each other.
#[derive(Debug)]
pub struct Registry {
    connection: Mutex<Connection>,
    tokens: tokens::Known,
    feed: Feed,
}

fn words(error: impl std::fmt::Display) -> HostError {
    HostError::Registry(error.to_string())
}

impl Registry {
    /// Opens the registry, or makes an empty one. One that is damaged is set aside beside it and
    /// made anew, to be filled from the programs' folders.
    ///
    /// # Errors
    /// [`HostError::Registry`], also when a newer hersh has written it.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        let connection = match connect(path) {
            Err(error) if is_damaged(&error) => {
                set_aside(path)?;
                connect(path)
            }
            other => other,
        };
        let connection = connection.map_err(words)?;
        layout::bring_up(&connection, path)?;
        let tokens = tokens::load(&connection)?;
        let feed = feed::load(&connection)?;
        Ok(Self { connection: Mutex::new(connection), tokens, feed })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a program.
    ///
    /// # Errors
    /// [`HostError::Registry`], also when its id, its port or its owner's name for it is taken.
    pub fn insert(&self, program: &Registered) -> Result<(), HostError> {
        let Registered { meta, state, updated_at } = program;
        let meta_json = serde_json::to_string(meta).map_err(words)?;
        let snapshot = serde_json::to_string(state).map_err(words)?;
        self.lock()
            .execute(
                "INSERT INTO programs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    meta.program_id.as_str(),
                    meta.program_id.user().as_str(),
                    meta.name,
                    meta.port,
                    state.desired.as_str(),
                    state.state.as_str(),
                    state.attempt.0,
                    meta_json,
                    snapshot,
                    integer(updated_at.0),
                ],
            )
            .map(drop)
            .map_err(words)
    }

    /// Replaces the facts of programs, their names and ports among them: of all or, when one of
    /// them is taken by another program, of none. Among themselves they may exchange them.
    ///
    /// # Errors
    /// [`HostError::Registry`], also when a name or port is taken.
    pub fn set_metas(&self, metas: &[Meta]) -> Result<(), HostError> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(words)?;
        for meta in metas {
            // Out of each other's way first: no two have one at any moment.
            let sql = "UPDATE programs SET port = -port, name = NULL WHERE id = ?1";
            transaction.execute(sql, [meta.program_id.as_str()]).map_err(words)?;
        }
        for meta in metas {
            let meta_json = serde_json::to_string(meta).map_err(words)?;
            let sql = "UPDATE programs SET port = ?2, name = ?3, meta = ?4 WHERE id = ?1";
            let id = meta.program_id.as_str();
            transaction
                .execute(sql, params![id, meta.port, meta.name, meta_json])
                .map_err(words)?;
        }
        transaction.commit().map_err(words)
    }

    /// All programs, in the order of their ids.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn load(&self) -> Result<Vec<Registered>, HostError> {
        let connection = self.lock();
        let sql = "SELECT meta, snapshot, updated_at FROM programs ORDER BY id";
        let mut statement = connection.prepare(sql).map_err(words)?;
        let fields = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows = statement.query_map([], fields).map_err(words)?;
        rows.map(|row| {
            let (meta, snapshot, updated): (String, String, i64) = row.map_err(words)?;
            Ok(Registered {
                meta: serde_json::from_str(&meta).map_err(words)?,
                state: serde_json::from_str(&snapshot).map_err(words)?,
                updated_at: Timestamp(millis(updated)),
            })
        })
        .collect()
    }

    /// What happens to all programs, as it happens.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Records that an event changed a program, and tells those who follow; one that has been
    /// removed leaves the registry, with its history. It is durable when this returns.
    ///
    /// # Errors
    /// [`HostError::Registry`]; nothing is recorded then.
    pub fn record(
        &self,
        before: &ProgramState,
        event: &Event,
        after: &Reduced,
        now: Millis,
    ) -> Result<(), HostError> {
        let mut connection = self.lock();
        let mut told = EventView {
            seq: 0,
            at: Timestamp(now),
            event: event.name().to_owned(),
            detail: serde_json::to_value(event).map_err(words)?,
            from: before.state,
            to: after.state.state,
            attempt: after.state.attempt,
        };
        told.seq = write_down(&mut connection, &after.state, &told)?;
        // Still under the lock: followers hear of events in the order of their numbers.
        self.feed.push(Happening::new(&before.id, &told, after.state.removed));
        Ok(())
    }

    /// What happened to a program after the event of this number, oldest first.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn events(
        &self,
        id: &ProgramId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<EventView>, HostError> {
        let connection = self.lock();
        let sql = "SELECT seq, at, event, detail, before, after, attempt FROM events
                   WHERE program_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        let mut statement = connection.prepare(sql).map_err(words)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![id.as_str(), after, limit], event_view);
        rows.map_err(words)?.map(|row| row.map_err(words)).collect()
    }
}

/// Writes an event and what it led to, and returns the event's number.
fn write_down(
    connection: &mut Connection,
    state: &ProgramState,
    event: &EventView,
) -> Result<i64, HostError> {
    let id = state.id.as_str();
    let snapshot = serde_json::to_string(state).map_err(words)?;
    let now = integer(event.at.0);
    let mut write = || -> rusqlite::Result<i64> {
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO events (program_id, at, event, detail, before, after, attempt)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                now,
                event.event,
                event.detail.to_string(),
                event.from.as_str(),
                event.to.as_str(),
                event.attempt.0
            ],
        )?;
        let seq = transaction.last_insert_rowid();
        if state.removed {
            // Its events go with it; their numbers are not given again.
            transaction.execute("DELETE FROM programs WHERE id = ?1", [id])?;
        } else {
            transaction.execute(
                "UPDATE programs SET desired = ?2, observed = ?3, attempt = ?4, snapshot = ?5,
                 updated_at = ?6 WHERE id = ?1",
                params![
                    id,
                    state.desired.as_str(),
                    state.state.as_str(),
                    state.attempt.0,
                    snapshot,
                    now
                ],
            )?;
            transaction.execute(
                "DELETE FROM events WHERE program_id = ?1 AND seq <= (SELECT seq FROM events
                 WHERE program_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                params![id, HISTORY],
            )?;
            record_attempt(&transaction, state, event.at.0)?;
        }
        transaction.commit()?;
        Ok(seq)
    };
    write().map_err(words)
}

fn record_attempt(
    connection: &Connection,
    state: &ProgramState,
    now: Millis,
) -> rusqlite::Result<()> {
    if state.attempt.0 == 0 {
        return Ok(());
    }
    let ended = matches!(state.state, State::Stopped | State::Error).then(|| integer(now));
    connection.execute(
        "INSERT INTO attempts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET ended_at = coalesce(ended_at, excluded.ended_at),
         image_id = excluded.image_id, container_id = coalesce(excluded.container_id, container_id),
         error = coalesce(excluded.error, error)",
        params![
            state.id.as_str(),
            state.attempt.0,
            integer(now),
            ended,
            state.image_id.as_ref().map(ImageId::as_str),
            state.container_id.as_ref().map(ContainerId::as_str),
            state.error_msg,
        ],
    )?;
    Ok(())
}

fn event_view(row: &Row<'_>) -> rusqlite::Result<EventView> {
    let state = |index: usize| -> rusqlite::Result<State> {
        let text: String = row.get(index)?;
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                index,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    };
    let detail: String = row.get(3)?;
    Ok(EventView {
        seq: row.get(0)?,
        at: Timestamp(millis(row.get(1)?)),
        event: row.get(2)?,
        detail: serde_json::from_str(&detail).unwrap_or_default(),
        from: state(4)?,
        to: state(5)?,
        attempt: Attempt(row.get(6)?),
    })
}

fn integer(millis: Millis) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn millis(integer: i64) -> Millis {
    u64::try_from(integer).unwrap_or(0)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // It holds environments, and with them secrets: for the host alone. What the database makes
    // beside it has the same mode. That it cannot be made is said by the opening below.
    let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" {
        Ok(connection)
    } else {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(rusqlite::Error::SqliteFailure(code, Some(sound)))
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Moves a damaged registry out of the way, with what the database keeps beside it.
fn set_aside(path: &Path) -> Result<(), HostError> {
    let now = Timestamp::now().0;
    for suffix in ["-wal", "-shm", ""] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = path.as_os_str().to_owned();
        to.push(format!(".damaged-{now}{suffix}"));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(words(error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
