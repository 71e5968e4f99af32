//! The replay that a process is asked for by whoever started it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ReplayError;
use super::replay::{Replay, Replayed};

/// Names the file for the result.
const REPORT: &str = "HERSH_REPLAY_REPORT";

impl Replay {
    /// The replay that this process is asked for: of the journal that the environment variable
    /// `HERSH_REPLAY` names, if it is set.
    ///
    /// [`Watcher::start`](crate::Watcher::start) looks for it by itself. This is for programs that
    /// would do something beside their watcher which a replay must not do.
    pub fn from_env() -> Option<Self> {
        crate::watcher::replay_asked().map(Self::of)
    }
}

/// Writes the result to the file that `HERSH_REPLAY_REPORT` names, if it is set: what
/// [`Replayed::to_json`] says, or `{"problem":…}`. The file is whole as soon as it is there.
pub(crate) fn report(result: &Result<Replayed, ReplayError>) -> Result<(), ReplayError> {
    let Some(path) = env::var_os(REPORT).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let json = match result {
        Ok(replayed) => replayed.to_json(),
        Err(problem) => serde_json::json!({ "problem": problem.to_string() }),
    };
    write(&path, &json.to_string()).map_err(|source| ReplayError::Report { path, source })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
}
