//! Writing so that a crash at any moment leaves the old file or the new one, never a part.
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// For the host alone.
pub(super) const PRIVATE_DIR: u32 = 0o700;
/// For the host alone.
pub(super) const PRIVATE_FILE: u32 = 0o600;

/// Writes a file whole: into a neighbour first, then in its place, then both made durable.
pub(in crate::host) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut part = OsString::from(".");
    part.push(name);
    part.push(".part");
    let part = folder.join(part);
    let written = write_new(&part, content, mode)
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| sync_dir(folder));
    if written.is_err() {
        // What failed is what matters; the part may never have been there.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Writes a file that nobody reads yet, and makes it durable.
pub(super) fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a folder's names durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder and those above it, where they are missing, for the host alone.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(path)
}

/// Removes a folder with all that is in it; one that is not there is a success. Links in it are
/// removed, not followed.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_part() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        write(&file, b"old", PRIVATE_FILE).unwrap();
        // The neighbour's place is taken by a folder: nothing can be written into it.
        fs::create_dir(dir.path().join(".a.part")).unwrap();
        assert!(write(&file, b"new", PRIVATE_FILE).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        fs::remove_dir(dir.path().join(".a.part")).unwrap();
        write(&file, b"new", PRIVATE_FILE).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, PRIVATE_FILE);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
