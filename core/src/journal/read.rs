//! Reading a journal.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::entry::{Header, Line};
use super::error::JournalError;
use super::{FORMAT, VERSION, aside, digest};

/// Longer lines are refused: no message or value is that large.
const MOST_BYTES: u64 = 64 << 20;

/// Reads the lines of one file.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    torn: bool,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| JournalError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), line: 0, torn: false })
    }

    fn damaged(&self, problem: impl Into<String>) -> JournalError {
        let (path, line) = (self.path.clone(), self.line);
        JournalError::Damaged { path, line, problem: problem.into() }
    }

    /// The next line; `None` at the end, and at a last line that is not whole.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, JournalError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(MOST_BYTES).read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| JournalError::Io {
            action: "read",
            path: self.path.clone(),
            source,
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let Some(json) = whole(&bytes) else {
            // Only at the very end is a broken line what a sudden end leaves.
            if self.file.fill_buf().is_ok_and(<[u8]>::is_empty) {
                self.torn = true;
                return Ok(None);
            }
            return Err(self.damaged("it does not match its digest"));
        };
        serde_json::from_slice(json).map(Some).map_err(|error| self.damaged(error.to_string()))
    }

    fn header(&mut self) -> Result<Header, JournalError> {
        let path = self.path.clone();
        let json: Option<serde_json::Value> = match self.next() {
            Ok(json) => json,
            Err(JournalError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let json =
            json.filter(|json| json["format"] == FORMAT).ok_or(JournalError::Foreign { path })?;
        if json["version"] != VERSION {
            let version = json["version"].to_string();
            return Err(JournalError::Version { path: self.path.clone(), version, known: VERSION });
        }
        serde_json::from_value(json).map_err(|error| self.damaged(error.to_string()))
    }
}

/// The JSON of a line that is complete and matches its digest.
fn whole(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let (digest, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let expected = u32::from_str_radix(std::str::from_utf8(digest).ok()?, 16).ok()?;
    (digest::of(json) == expected).then_some(json)
}

/// Reads the first line of a file.
pub(super) fn header(path: &Path) -> Result<Header, JournalError> {
    Lines::open(path)?.header()
}

/// Reads a run from its first file to its last.
pub(super) struct Reader {
    pub(super) header: Header,
    files: Vec<Lines>,
    peeked: Option<Line>,
}

impl Reader {
    /// Opens the run whose newest file is `path`, looking for its beginning among the files that
    /// were set aside.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let mut newest = Lines::open(path)?;
        let header = newest.header()?;
        let mut files = vec![newest];
        for part in (0..header.part).rev() {
            let age = u32::try_from(header.part - part).unwrap_or(u32::MAX);
            let path = aside(path, age);
            let older = Lines::open(&path).and_then(|mut lines| Ok((lines.header()?, lines)));
            match older {
                Ok((older, lines)) if older.run == header.run && older.part == part => {
                    files.push(lines);
                }
                _ => return Err(JournalError::Beginning { path }),
            }
        }
        Ok(Self { header, files, peeked: None })
    }

    /// Whether the end of a file was torn.
    pub(super) fn torn(&self) -> bool {
        self.files.iter().any(|lines| lines.torn)
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, JournalError> {
        if let Some(line) = self.peeked.take() {
            return Ok(Some(line));
        }
        while let Some(lines) = self.files.last_mut() {
            if let Some(line) = lines.next()? {
                return Ok(Some(line));
            }
            if self.files.len() == 1 {
                break;
            }
            self.files.pop();
        }
        Ok(None)
    }

    /// The next line, if `wanted`; else it stays.
    pub(super) fn next_if(
        &mut self,
        wanted: impl FnOnce(&Line) -> bool,
    ) -> Result<Option<Line>, JournalError> {
        match self.next()? {
            Some(line) if wanted(&line) => Ok(Some(line)),
            other => {
                self.peeked = other;
                Ok(None)
            }
        }
    }
}
