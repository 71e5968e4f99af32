//! What a journal says, read without the program that wrote it.
//!
//! The format is described at the top of `hersh::Journal`'s module: one entry a line, eight
//! hexadecimal digits before its JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value as Json;

use crate::output::{Exit, Failure};

// A line is one input; a longer one is not a journal's.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// The first line of a file.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    format: String,
    version: u32,
    pub(super) run: u64,
    pub(super) part: u64,
    pub(super) watcher: String,
    pub(super) epoch_ns: u64,
}

/// Every other line.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// Nanoseconds since the watcher was built.
    pub(super) at: u64,
    pub(super) what: Entry,
}

/// An input, or a change of state. What is not looked at here is not kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Start(IgnoredAny),
    Message(IgnoredAny),
    Value { name: String, value: BTreeMap<String, Json> },
    Changed(Named),
    Same(Named),
    Failed(Named),
    Closed(Named),
    Skipped { name: String, ticks: u64 },
    Serve,
    Returned(IgnoredAny),
    CleanedUp(IgnoredAny),
    Stop { reason: String },
    Kill(IgnoredAny),
    Elapsed,
    Transition { from: String, to: String, cause: String },
}

/// An input of which only the variable matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// The files of one run, read from the oldest to the newest.
pub(super) struct Journal {
    pub(super) header: Header,
    pub(super) parts: u64,
    // The oldest is the last.
    files: Vec<Lines>,
    torn: bool,
}

impl Journal {
    /// Opens the run whose newest file is `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut newest = Lines::open(path)?;
        let header = newest.header()?;
        let mut files = vec![newest];
        for part in (0..header.part).rev() {
            let age = header.part - part;
            let path = aside(path, age);
            let mut lines = Lines::open(&path)?;
            let older = lines.header()?;
            if older.run != header.run || older.part != part {
                let what = format!("{} belongs to another run", path.display());
                return Err(Failure::new(Exit::Failed, what).with_remedy(
                    "the beginning of this run is gone: keep more files, or larger ones",
                ));
            }
            files.push(lines);
        }
        Ok(Self { parts: header.part + 1, header, files, torn: false })
    }

    /// The next line; none at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, Failure> {
        while let Some(lines) = self.files.last_mut() {
            match lines.next()? {
                Some(line) => return Ok(Some(line)),
                None => self.torn |= lines.torn,
            }
            self.files.pop();
        }
        Ok(None)
    }

    /// Whether a file ended in a line that is not whole.
    pub(super) fn torn(&self) -> bool {
        self.torn
    }
}

fn aside(path: &Path, age: u64) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{age}"));
    path.with_file_name(name)
}

struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
    torn: bool,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), number: 0, torn: false })
    }

    fn header(&mut self) -> Result<Header, Failure> {
        let foreign = |path: &Path| {
            Failure::new(Exit::Usage, format!("{} is not a journal of hersh", path.display()))
                .with_remedy("name the file that Config::journal names")
        };
        let header: Option<Header> = self.next().map_err(|_| foreign(&self.path))?;
        let header = header.filter(|header| header.format == "hersh journal");
        let header = header.ok_or_else(|| foreign(&self.path))?;
        if header.version != 1 {
            let (path, version) = (self.path.display(), header.version);
            let what = format!("the journal {path} has version {version}");
            return Err(Failure::new(Exit::Usage, what)
                .with_remedy("this hersh understands version 1: use the one that wrote it"));
        }
        Ok(header)
    }

    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        let mut bytes = Vec::new();
        let mut limited = self.file.by_ref().take(MAX_LINE_BYTES);
        let count = limited.read_until(b'\n', &mut bytes);
        if count.map_err(|error| unreadable(&self.path, &error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let Some(json) = whole(&bytes) else {
            // Only at the very end is a broken line what a sudden end leaves.
            if self.file.fill_buf().is_ok_and(<[u8]>::is_empty) {
                self.torn = true;
                return Ok(None);
            }
            return Err(self.damaged("it does not match its digits"));
        };
        serde_json::from_slice(json).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    fn damaged(&self, problem: &str) -> Failure {
        let (path, line) = (self.path.display(), self.number);
        let what = format!("line {line} of the journal {path} is damaged: {problem}");
        Failure::new(Exit::Failed, what).with_remedy("what stands before that line can be trusted")
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    Failure::new(exit, format!("cannot read the journal {}: {error}", path.display()))
        .with_remedy("name the newest file of the journal, and leave older ones beside it")
}

// The JSON of a line that is complete and matches its digits (FNV-1a, 32 bits).
fn whole(line: &[u8]) -> Option<&[u8]> {
    let (digits, json) = line.strip_suffix(b"\n")?.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let expected = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let digest = json
        .iter()
        .fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (digest == expected).then_some(json)
}
