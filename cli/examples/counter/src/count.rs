//! The count, and the file in which it survives.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    /// How often the program was started on this state.
    pub(crate) starts: u64,
    /// Seconds that it ran, and what was added by command.
    pub(crate) ticks: u64,
    /// Messages that came.
    pub(crate) messages: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks, {} messages, start {}", self.ticks, self.messages, self.starts)
    }
}

/// Why the count could not be read or kept.
#[derive(Debug)]
pub(crate) struct StoreError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// One file that holds either the count before or the count after, whenever the machine stops.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in `folder`, which is made if it is not there.
    pub(crate) fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        match fs::create_dir_all(&folder) {
            Ok(()) => Ok(Self { folder }),
            Err(source) => Err(StoreError { path: folder, source }),
        }
    }

    /// The count that was kept; nothing counted yet if there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is no count is left as it is: it may be all that is left of a count.
    pub(crate) fn load(&self) -> Result<Count, StoreError> {
        let path = self.path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Count::default()),
            Err(source) => return Err(StoreError { path, source }),
        };
        serde_json::from_slice(&text).map_err(|error| StoreError { path, source: error.into() })
    }

    /// Keeps `count`, also through a loss of power once this has returned.
    pub(crate) fn save(&self, count: Count) -> Result<(), StoreError> {
        let next = self.folder.join("count.json.next");
        let write = || -> io::Result<()> {
            let mut file = File::create(&next)?;
            serde_json::to_writer(&file, &count)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&next, self.path())?;
            sync_folder(&self.folder)
        };
        write().map_err(|source| StoreError { path: self.path(), source })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("count.json")
    }
}

/// A rename is durable once its folder is. Elsewhere than on Unix folders cannot be opened to be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("new")).unwrap();
        assert_eq!(store.load().unwrap(), Count::default());
        let count = Count { starts: 1, ticks: 2, messages: 3 };
        store.save(count).unwrap();
        assert_eq!(store.load().unwrap(), count);
        assert_eq!(count.to_string(), "2 ticks, 3 messages, start 1");
    }

    #[test]
    fn a_half_written_next_count_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let count = Count { ticks: 7, ..Count::default() };
        store.save(count).unwrap();
        fs::write(folder.path().join("count.json.next"), b"{\"sta").unwrap();
        assert_eq!(store.load().unwrap(), count);
        store.save(Count::default()).unwrap();
        assert_eq!(store.load().unwrap(), Count::default());
    }

    #[test]
    fn a_spoilt_count_is_an_error_that_names_the_file_and_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = folder.path().join("count.json");
        fs::write(&file, b"{\"ticks\":").unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("count.json"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), b"{\"ticks\":");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let error = Store::open(folder.path().join("file/state")).unwrap_err().to_string();
        assert!(error.contains("file/state"), "{error}");
    }
}
