//! The n-th write, flush, rename, thread or accept fails, for every n until none does (spec 80.4): a
//! clear error, and nothing lost. Each in a process of its own, with `shim.c` loaded into it.

mod child;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The most calls of one kind that a role could make. More would be a loop.
const MOST: u32 = 500;

/// The shim, built; none where there is no compiler, which in CI is a failure.
fn shim(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults/shim.c");
    let library = folder.join("shim.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output();
    match built {
        Ok(built) if built.status.success() => Some(library),
        Ok(built) => panic!("{}", String::from_utf8_lossy(&built.stderr)),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no C compiler: {error}");
            None
        }
    }
}

/// Lets each call in turn fail in a role, until the role makes no more of them.
fn each_fails(role: &str, call: &str, at_least: u32) {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = shim(folder.path()) else { return };
    for number in 1..=MOST {
        let place = folder.path().join(format!("{call}-{number}"));
        std::fs::create_dir(&place).unwrap();
        let played = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::child::body", "--nocapture", "--test-threads", "1"])
            .current_dir(&place)
            .env("LD_PRELOAD", &shim)
            .env("HERSH_FAULT", format!("{call}:{number}"))
            .env(child::ROLE, role)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&played.stdout);
        let complaint = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{role}, {call} {number}:\n{said}\n{complaint}");
        if said.contains("> nothing failed") {
            assert!(number > at_least, "{role}: only {} calls of {call}", number - 1);
            return;
        }
        assert!(said.contains("> it failed"), "{role}, {call} {number}:\n{said}\n{complaint}");
    }
    panic!("{role}: no end of {call}");
}

#[cfg(feature = "persist")]
#[test]
fn persisted_values_survive_a_disk_that_fails() {
    for (call, at_least) in [("write", 3), ("short", 3), ("fsync", 6), ("rename", 3), ("open", 6)] {
        each_fails("persist", call, at_least);
    }
}

#[cfg(feature = "journal")]
#[test]
fn a_journal_survives_a_disk_that_fails() {
    for (call, at_least) in [("write", 10), ("short", 10), ("rename", 1), ("open", 2)] {
        each_fails("journal", call, at_least);
    }
}

#[test]
fn a_start_without_a_thread_is_a_clear_error() {
    each_fails("start", "spawn", 3);
}

#[cfg(feature = "api")]
#[test]
fn accepting_goes_on_after_it_failed() {
    each_fails("accept", "accept", 3);
}
