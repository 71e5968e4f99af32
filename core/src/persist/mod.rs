//! Context values that survive the process.
//!
//! # The file
//! UTF-8 JSON: `{"format":"hersh values","version":1,"values":{…}}`. It is replaced as a whole:
//! written beside its place under another name, flushed to the disk, renamed, and the folder flushed
//! too. So after a crash or a loss of power it holds either what it held before or what was written,
//! and a file that cannot be read was damaged or written by something else: that is an error, and it
//! is left as it is.

#[cfg(any(test, fuzzing))]
pub(crate) mod any_file;
mod error;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::brain::Value;

pub use error::PersistError;

const FORMAT: &str = "hersh values";
const VERSION: u32 = 1;

/// Where and when context values are written. See [`Config::persist`](crate::Config::persist).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// The file. Its folder must exist; one watcher at a time may use it.
    pub path: PathBuf,
    /// When it is written.
    pub when: PersistWhen,
}

impl Persist {
    /// Writes to `path` after each execution that changed a value.
    pub fn to(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), when: PersistWhen::default() }
    }
}

/// When context values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PersistWhen {
    /// After each execution that changed a value, before the execution counts as completed:
    /// `kill -9` at any moment loses nothing that a completed execution set. Costs two flushes of
    /// the disk each time.
    #[default]
    EachExecution,
    /// When the session ends in good order.
    AtStop,
}

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    version: u32,
    values: &'a BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    values: BTreeMap<String, serde_json::Value>,
}

/// Reads persisted values; none when there is no file.
pub(crate) fn restore(path: &Path) -> Result<BTreeMap<String, serde_json::Value>, PersistError> {
    let Some(text) = file::read(path)? else { return Ok(BTreeMap::new()) };
    let damaged = |error: serde_json::Error| PersistError::Damaged {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    let foreign = || PersistError::Foreign { path: path.to_owned() };
    let header = Header::deserialize(&json).map_err(|_| foreign())?;
    if header.format != FORMAT {
        return Err(foreign());
    }
    if header.version != VERSION {
        let (path, version) = (path.to_owned(), header.version);
        return Err(PersistError::Version { path, version, known: VERSION });
    }
    Ok(Read::deserialize(json).map_err(damaged)?.values)
}

/// Writes all values that have a JSON form. Returns the keys of those that have none.
pub(crate) fn store(
    path: &Path,
    values: &BTreeMap<String, Value>,
) -> Result<Vec<String>, PersistError> {
    let (mut written, mut left_out) = (BTreeMap::new(), Vec::new());
    for (key, value) in values {
        match value.to_json() {
            Ok(json) => drop(written.insert(key.clone(), json)),
            Err(_) => left_out.push(key.clone()),
        }
    }
    let whole = Written { format: FORMAT, version: VERSION, values: &written };
    let text = serde_json::to_vec(&whole).map_err(|error| PersistError::Damaged {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    file::replace(path, &text)?;
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn values() -> BTreeMap<String, Value> {
        [("n".to_owned(), Value::new(7_u32)), ("s".to_owned(), Value::new("x".to_owned()))].into()
    }

    #[test]
    fn what_was_stored_is_restored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("values.json");
        assert_eq!(restore(&path).expect("no file yet"), BTreeMap::new());
        assert_eq!(store(&path, &values()).expect("written"), Vec::<String>::new());
        let restored = restore(&path).expect("read");
        assert_eq!(restored["n"], 7);
        assert_eq!(restored["s"], "x");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing else is left");
    }

    /// The usual reading of JSON is a unit in the last place off for some of these.
    #[test]
    fn numbers_come_back_to_the_last_digit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("values.json");
        let mut bits = 0x3fb9_9999_9999_999a_u64;
        let numbers: Vec<f64> = (0..2000)
            .map(|_| {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                f64::from_bits(bits)
            })
            .filter(|number| number.is_finite())
            .collect();
        let values = [("numbers".to_owned(), Value::new(numbers.clone()))].into();
        store(&path, &values).expect("written");
        let restored = restore(&path).expect("read").remove("numbers").expect("there");
        let restored: Vec<f64> = serde_json::from_value(restored).expect("numbers");
        assert_eq!(restored, numbers);
    }

    #[test]
    fn torn_and_foreign_files_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("values.json");
        store(&path, &values()).expect("written");
        let whole = fs::read(&path).expect("read");
        let later = br#"{"format":"hersh values","version":2,"values":{}}"#;
        let cases: [(&[u8], &str); 5] = [
            (&whole[..whole.len() / 2], "damaged"),
            (b"", "damaged"),
            (b"\xff\xfe", "damaged"),
            (b"{\"format\":\"a diary\",\"version\":1}", "not written by hersh"),
            (later, "version 2"),
        ];
        for (content, words) in cases {
            fs::write(&path, content).expect("written");
            let error = restore(&path).expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
            assert_eq!(fs::read(&path).expect("read"), content);
        }
    }

    #[test]
    fn a_write_that_fails_keeps_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing").join("values.json");
        assert!(matches!(store(&path, &values()), Err(PersistError::Io { .. })));
        let blocked = folder.path().join("values.json");
        fs::create_dir(&blocked).expect("a folder in its place");
        assert!(store(&blocked, &values()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "no leftovers");
    }
}
