//! Why values could not be persisted or restored.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Persisted values could not be read or written. The file is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum PersistError {
    /// The file system refused.
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not whole.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was written by something else.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later hersh.
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The version that is understood.
        known: u32,
    },
}

impl fmt::Display for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "could not {action} the values in {}: {source}", path.display())
            }
            Self::Damaged { path, problem } => write!(
                f,
                "{} is damaged ({problem}): restore it from a copy, or move it away to begin anew",
                path.display()
            ),
            Self::Foreign { path } => write!(
                f,
                "{} was not written by hersh: name another file to persist to",
                path.display()
            ),
            Self::Version { path, version, known } => write!(
                f,
                "{} has version {version}; this hersh understands version {known}: use a later one",
                path.display()
            ),
        }
    }
}

impl std::error::Error for PersistError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
