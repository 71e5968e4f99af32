//! Recording every input of a watcher, and running its function over the record again.
//!
//! # The file, version 1
//! UTF-8 text, one entry a line: eight hexadecimal digits (FNV-1a of the rest), a space, a JSON
//! object. The first line of each file describes the run: `{"format":"hersh journal","version":1,
//! "run":…,"part":…,"watcher":ID,"name":…,"seed":…,"epoch_ns":…,"config":{…}}`. Each further line is
//! `{"at":NANOSECONDS,"what":ENTRY}` with the time since the watcher was built and one of
//!
//! | entry | the input |
//! |---|---|
//! | `{"start":{"expires":…,"values":{…}}}` | `start()`, with the restored context values |
//! | `{"message":{"content":…,"sent":…}}` | a user message |
//! | `{"value":{"name":…,"value":…}}` | a flow value or a tick; in older files a poll result too |
//! | `{"changed":{"name":…,"value":…}}`, `{"same":{"name":…}}` | what a poll found |
//! | `{"failed":{"name":…,"error":…}}`, `{"closed":{"name":…}}` | a failed poll, a closed source |
//! | `{"skipped":{"name":…,"ticks":…}}` | ticks that were skipped |
//! | `"serve"` | the moment at which what had arrived was served |
//! | `{"returned":{"execution":…}}` | the managed function returned |
//! | `{"cleaned_up":{"problem":…}}` | the cleanup function returned |
//! | `{"stop":{"reason":…,"drain":…,"timeout_ns":…}}`, `{"kill":{"reason":…}}` | lifecycle calls |
//! | `"elapsed"` | a deadline passed |
//! | `{"transition":{"from":…,"to":…,"cause":…}}` | not an input: what the brain made of them |
//!
//! The file only grows. A last line that is not whole is what a sudden end leaves: it is passed
//! over and reported; any other line that does not match its digits is an error. At `max_bytes` the
//! file is renamed to `NAME.1`, older ones move up, and the oldest beyond `keep` is removed.

#[cfg(any(test, fuzzing))]
pub(crate) mod any_file;
mod asked;
mod digest;
mod entry;
mod error;
mod read;
mod replay;
mod write;

use std::path::PathBuf;

pub use error::{JournalError, ReplayError};
pub use replay::{Divergence, Replay, Replayed, replay};

pub(crate) use asked::report;
pub(crate) use entry::{Entry, Header, Line, Recorded, Settings};
pub(crate) use write::Recorder;

pub(crate) const FORMAT: &str = "hersh journal";
pub(crate) const VERSION: u32 = 1;

/// Where inputs are recorded. See [`Config::journal`](crate::Config::journal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The file. Its folder must exist; one watcher at a time may use it. A journal of an earlier
    /// process in its place is kept as `NAME.1`.
    pub path: PathBuf,
    /// At what size, in bytes, a new file is begun. Default 64 MiB.
    pub max_bytes: u64,
    /// How many full files are kept besides the one being written. Default 8.
    pub keep: u32,
}

impl Journal {
    /// Records to `path`.
    pub fn to(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 64 << 20, keep: 8 }
    }

    /// The file that has been set aside `age` times.
    pub(crate) fn aside(&self, age: u32) -> PathBuf {
        aside(&self.path, age)
    }
}

fn aside(path: &std::path::Path, age: u32) -> PathBuf {
    if age == 0 {
        return path.to_owned();
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{age}"));
    path.with_file_name(name)
}
