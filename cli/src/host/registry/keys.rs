//! Requests that were sent with an `Idempotency-Key`, and what they were answered.
//!
//! An answer is noted before its work is begun, with the program that the work is to make: whoever
//! comes again after the host ended in the middle is answered from it if the program is there, and
//! otherwise the work is done after all.
use rusqlite::{OptionalExtension, params};

use super::{Registry, integer, words};
use crate::host::HostError;
use crate::host::view::Timestamp;
use crate::program::{Millis, ProgramId};

/// How long a key is good for: longer than any client goes on trying.
const KEPT_MS: Millis = 24 * 3600 * 1000;
/// How many keys are kept; the oldest go first.
const MAX_KEYS: i64 = 10_000;

/// Whose key it is, and which. The keys of two users have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// The user; empty for those who are no user in particular.
    pub user: String,
    /// The key.
    pub key: String,
}

/// What is known about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedAnswer {
    /// The hash of the request.
    pub request: String,
    /// The program that it makes.
    pub program_id: String,
    /// What it is answered.
    pub answer: Vec<u8>,
    /// Whether its work was done.
    pub settled: bool,
}

impl Registry {
    /// What was noted under a key within the last day.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn keyed(&self, key: &RequestKey) -> Result<Option<KeyedAnswer>, HostError> {
        let sql = "SELECT request, program_id, answer, settled FROM request_keys
                   WHERE user = ?1 AND key = ?2 AND at > ?3";
        let since = integer(Timestamp::now().0.saturating_sub(KEPT_MS));
        self.lock()
            .query_row(sql, params![key.user, key.key, since], |row| {
                Ok(KeyedAnswer {
                    request: row.get(0)?,
                    program_id: row.get(1)?,
                    answer: row.get(2)?,
                    settled: row.get(3)?,
                })
            })
            .optional()
            .map_err(words)
    }

    /// Notes what a request will be answered, before its work is begun. Keys that are too old, or
    /// too many, go.
    ///
    /// # Errors
    /// [`HostError::Registry`]; nothing is noted then.
    pub fn note_key(
        &self,
        key: &RequestKey,
        request: &str,
        program: &ProgramId,
        answer: &[u8],
    ) -> Result<(), HostError> {
        let now = Timestamp::now().0;
        let mut connection = self.lock();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            let old = integer(now.saturating_sub(KEPT_MS));
            transaction.execute("DELETE FROM request_keys WHERE at <= ?1", [old])?;
            transaction.execute(
                "DELETE FROM request_keys WHERE rowid IN
                 (SELECT rowid FROM request_keys ORDER BY at DESC LIMIT -1 OFFSET ?1)",
                [MAX_KEYS - 1],
            )?;
            transaction.execute(
                "INSERT OR REPLACE INTO request_keys VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
                params![key.user, key.key, request, program.as_str(), answer, integer(now)],
            )?;
            transaction.commit()
        };
        write().map_err(words)
    }

    /// Notes that the work under a key was done.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn settle_key(&self, key: &RequestKey) -> Result<(), HostError> {
        let sql = "UPDATE request_keys SET settled = 1 WHERE user = ?1 AND key = ?2";
        self.lock().execute(sql, params![key.user, key.key]).map(drop).map_err(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> RequestKey {
        RequestKey { user: "ann".into(), key: key.into() }
    }

    #[test]
    fn what_is_noted_is_there_after_a_sudden_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registry.db");
        let program = "ann-build-0123456789ab-00000001".parse().unwrap();
        let registry = Registry::open(&path).unwrap();
        registry.note_key(&key("k"), "hash", &program, b"answer").unwrap();
        std::mem::forget(registry);
        let registry = Registry::open(&path).unwrap();
        let noted = registry.keyed(&key("k")).unwrap().unwrap();
        assert_eq!((noted.answer.as_slice(), noted.settled), (b"answer".as_slice(), false));
        registry.settle_key(&key("k")).unwrap();
        assert!(registry.keyed(&key("k")).unwrap().unwrap().settled);
        let of_bob = RequestKey { user: "bob".into(), ..key("k") };
        assert_eq!(registry.keyed(&of_bob).unwrap(), None);
    }

    #[test]
    fn keys_grow_old_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(&dir.path().join("registry.db")).unwrap();
        let program: ProgramId = "ann-build-0123456789ab-00000001".parse().unwrap();
        let now = integer(Timestamp::now().0);
        let many = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_KEYS})
             INSERT INTO request_keys SELECT 'ann', 'k' || i, '', '', x'', 1, {now} - i FROM n"
        );
        registry.lock().execute_batch(&many).unwrap();
        registry.note_key(&key("new"), "", &program, b"").unwrap();
        let count = || -> i64 {
            let sql = "SELECT count(*) FROM request_keys";
            registry.lock().query_row(sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(), MAX_KEYS);
        assert_eq!(registry.keyed(&key(&format!("k{MAX_KEYS}"))).unwrap(), None, "the oldest went");
        let old = integer(KEPT_MS);
        let sql = "UPDATE request_keys SET at = at - ?1 WHERE key <> 'k1'";
        registry.lock().execute(sql, [old]).unwrap();
        assert_eq!(registry.keyed(&key("new")).unwrap(), None, "it is too old");
        registry.note_key(&key("newer"), "", &program, b"").unwrap();
        assert_eq!(count(), 2);
    }
}
