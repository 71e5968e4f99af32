//! What can be wrong with a journal.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::watcher::ConfigError;

/// A journal could not be written or read. What it holds is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is not the last is broken.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was written by something else.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by another version.
    Version {
        /// The file.
        path: PathBuf,
        /// Its version, as it is written.
        version: String,
        /// The version that is understood.
        known: u32,
    },
    /// The files that hold the beginning of the run are gone.
    Beginning {
        /// The first file that is missing.
        path: PathBuf,
    },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "could not {action} the journal {}: {source}", path.display())
            }
            Self::Damaged { path, line, problem } => {
                write!(f, "line {line} of the journal {} is damaged: {problem}", path.display())
            }
            Self::Foreign { path } => {
                write!(f, "{} is not a journal of hersh: name another file", path.display())
            }
            Self::Version { path, version, known } => write!(
                f,
                "the journal {} has version {version}; this hersh understands version {known}",
                path.display()
            ),
            Self::Beginning { path } => write!(
                f,
                "the beginning of this run is gone: {} is missing or belongs to another run; \
                 keep more files, or larger ones",
                path.display()
            ),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A journal could not be replayed to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The journal cannot be read.
    Journal(JournalError),
    /// The configuration in it makes no sense.
    Config(ConfigError),
    /// A value cannot be given to the function: it had no JSON form, or the function watches another
    /// type under this name now.
    Value {
        /// The variable.
        name: String,
        /// Why.
        problem: String,
    },
    /// The journal that the process is asked to replay is that of another watcher.
    Watcher {
        /// The name of the watcher that wrote it.
        recorded: String,
        /// The name of the one that was started.
        started: String,
    },
    /// The process is asked for one replay, and that is over or under way.
    Again,
    /// The result could not be written to where the process was asked to write it.
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Config(error) => write!(f, "the journal's configuration makes no sense: {error}"),
            Self::Value { name, problem } => {
                write!(f, "a recorded value of {name:?} cannot be given to the function: {problem}")
            }
            Self::Watcher { recorded, started } => write!(
                f,
                "HERSH_REPLAY names a journal of the watcher {recorded:?}, and {started:?} was \
                 started: name a journal of that one"
            ),
            Self::Again => f.write_str(
                "the journal that HERSH_REPLAY names is replayed once by each watcher: \
                 unset it to run the program",
            ),
            Self::Report { path, source } => {
                write!(
                    f,
                    "the result of the replay could not be written to {}: {source}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Journal(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Report { source, .. } => Some(source),
            Self::Value { .. } | Self::Watcher { .. } | Self::Again => None,
        }
    }
}

impl From<JournalError> for ReplayError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}
