//! A wall clock that can be set: that of a program which is started with libfaketime before it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The library. `None`, and a line that says what to do, where there is none; in CI that is a failure.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists());
    if found.is_none() {
        assert!(env::var("CI").as_deref() != Ok("true"), "no libfaketime in CI");
        let _ =
            writeln!(io::stderr(), "skipped: no libfaketime; as root: apt-get install libfaketime");
    }
    found
}

/// What puts the library before a program, which then goes by the clock in this file.
pub(super) fn preload(library: &Path, clock: &Path) -> [(&'static str, PathBuf); 6] {
    let yes = PathBuf::from("1");
    [
        ("LD_PRELOAD", library.to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_owned()),
        ("FAKETIME_NO_CACHE", yes.clone()),
        ("FAKETIME_DONT_RESET", yes.clone()),
        // A monotonic one is not for anybody to set on a real machine either.
        ("FAKETIME_DONT_FAKE_MONOTONIC", yes.clone()),
        ("FAKETIME_DISABLE_SHM", yes),
    ]
}

/// Sets the clock so far ahead of the true time. At once for whoever reads it.
pub(crate) fn set(clock: &Path, ahead: &str) {
    use std::os::unix::fs::PermissionsExt;
    // Written aside and renamed: a reader must never see half of it.
    let new = clock.with_extension("new");
    fs::write(&new, format!("{ahead}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(new, clock).unwrap();
}
