//! Replacing a file as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::PersistError;

/// Larger files are refused rather than read: no context has that many values.
const MOST_BYTES: u64 = 1 << 30;

/// The content of a file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, PersistError> {
    let failed = |source| PersistError::Io { action: "read", path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.len() > MOST_BYTES => {
            Err(PersistError::Damaged { path: path.to_owned(), problem: "over 1 GiB".to_owned() })
        }
        Ok(_) => fs::read(path).map(Some).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Puts `content` in the place of what the file held, or leaves that as it is.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), PersistError> {
    let beside = beside(path);
    let failed = |action| {
        let path = path.to_owned();
        move |source| PersistError::Io { action, path, source }
    };
    let written = write(&beside, content)
        .map_err(failed("write"))
        .and_then(|()| fs::rename(&beside, path).map_err(failed("replace")));
    if written.is_err() {
        // What could not be put in its place must not be left lying about.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // Without this the rename itself could be lost with the power.
    sync_folder(path).map_err(failed("flush the folder of"))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
