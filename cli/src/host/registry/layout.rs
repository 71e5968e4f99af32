//! The tables, and how a registry of an earlier hersh gets those it lacks.
use std::path::Path;

use rusqlite::Connection;

use super::words;
use crate::host::HostError;

/// What each layout adds to the one before it, the first to nothing. Only added to: registries that
/// were written with an earlier hersh are brought up step by step.
const LAYOUTS: [&str; 3] = [PROGRAMS, TOKENS, KEYS];

const PROGRAMS: &str = "
    CREATE TABLE programs (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        name TEXT,
        port INTEGER NOT NULL UNIQUE,
        desired TEXT NOT NULL,
        observed TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        meta TEXT NOT NULL,
        snapshot TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE (user_id, name)
    ) STRICT;
    CREATE TABLE attempts (
        program_id TEXT NOT NULL REFERENCES programs (id) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        began_at INTEGER NOT NULL,
        ended_at INTEGER,
        image_id TEXT,
        container_id TEXT,
        error TEXT,
        PRIMARY KEY (program_id, attempt)
    ) STRICT;
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        program_id TEXT NOT NULL REFERENCES programs (id) ON DELETE CASCADE,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        detail TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        attempt INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX events_of_program ON events (program_id, seq);
";

const TOKENS: &str = "
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        hash TEXT NOT NULL,
        user_id TEXT,
        name TEXT,
        scope TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
";

const KEYS: &str = "
    CREATE TABLE request_keys (
        user TEXT NOT NULL,
        key TEXT NOT NULL,
        request TEXT NOT NULL,
        program_id TEXT NOT NULL,
        answer BLOB NOT NULL,
        settled INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (user, key)
    ) STRICT;
    CREATE INDEX request_keys_by_age ON request_keys (at);
";

/// Gives a registry the tables that it lacks; one of a later layout is not touched.
pub(super) fn bring_up(connection: &Connection, path: &Path) -> Result<(), HostError> {
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(words)?;
    let known = LAYOUTS.len();
    let Some(missing) = usize::try_from(version).ok().and_then(|version| LAYOUTS.get(version..))
    else {
        return Err(HostError::Registry(format!(
            "{} was written by another hersh (layout {version}, known is {known})",
            path.display()
        )));
    };
    if missing.is_empty() {
        return Ok(());
    }
    let steps = missing.concat();
    let all = format!("BEGIN; {steps} PRAGMA user_version = {known}; COMMIT;");
    connection.execute_batch(&all).map_err(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_an_earlier_hersh_gets_what_it_lacks() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("{PROGRAMS} PRAGMA user_version = 1;")).unwrap();
        let row = "INSERT INTO programs VALUES ('p', 'u', 'n', 1, 'd', 'o', 0, 'm', 's', 0)";
        connection.execute_batch(row).unwrap();
        bring_up(&connection, Path::new("registry.db")).unwrap();
        bring_up(&connection, Path::new("registry.db")).unwrap();
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("programs"), count("tokens")), (1, 0));
    }
}
