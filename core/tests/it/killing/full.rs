//! A disk with no room left: what the store answers then, and what it still has.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use hersh::kharon::store::{Addition, Change, IfExists, Update};
use hersh::kharon::{NewTicket, SqliteStore, Store, StoreError, StoreFault};

use super::child::{id, payload, ticket_id};

const ROLE: &str = "HERSH_TEST_FULL";

const SMALL: &str = "HERSH_TEST_FULL_SMALL";

/// Adds tickets until the store refuses. How many it acknowledged, and why it refused.
fn fill(store: &SqliteStore) -> (usize, StoreError) {
    for number in 0..10_000 {
        let text = payload(&id(number)).repeat(200);
        let ticket = NewTicket::new(id(number), "work").unwrap().payload(text);
        match store.add(vec![Addition { ticket, if_exists: IfExists::Refuse }]) {
            Ok(added) => added.into_iter().for_each(|one| drop(one.unwrap())),
            Err(error) => return (number, error),
        }
    }
    panic!("the disk never fills");
}

/// The body of a process for which there are two megabytes, by a limit or by a small disk.
#[test]
fn body() {
    let Ok(path) = env::var(ROLE) else { return };
    let store = SqliteStore::open(&path).unwrap();
    let (acknowledged, error) = fill(&store);
    // A limit is no full disk to SQLite, but a write that went wrong.
    let small = env::var(SMALL).is_ok();
    assert!(error.fault.is_transient(), "{error}");
    assert!(!small || error.fault == StoreFault::Full, "{error}");
    assert!(acknowledged > 10, "{acknowledged}");
    for number in 0..acknowledged {
        assert!(store.get(&ticket_id(number)).unwrap().is_some(), "{number} is lost");
    }
    assert!(store.get(&ticket_id(acknowledged)).unwrap().is_none(), "refused, and yet there");
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    store.verify().unwrap();
    assert_eq!(store.stats().unwrap().pending, acknowledged as u64);
    if !small {
        fs::write(format!("{path}.acknowledged"), acknowledged.to_string()).unwrap();
    }
}

fn run(script: &str, folder: &Path) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .env("FOLDER", folder)
        .env(ROLE, folder.join("tickets.db"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_write_that_goes_wrong_is_said_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    // Blocks of 512 bytes. The signal that comes with the error would end the process.
    let limited =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact killing::full::body --nocapture";
    let output = run(limited, folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Where there is room again, everything is there, and work goes on.
    let acknowledged = folder.path().join("tickets.db.acknowledged");
    let acknowledged: usize = fs::read_to_string(acknowledged).unwrap().parse().unwrap();
    let store = SqliteStore::open(folder.path().join("tickets.db")).unwrap();
    for number in 0..acknowledged {
        let update = Update { id: ticket_id(number), token: None, change: Change::Delete };
        store.update(vec![update]).unwrap().remove(0).unwrap();
    }
}

/// The disk is a few megabytes of memory, in a mount namespace that ends with the process.
#[test]
fn a_full_disk_is_said_to_be_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=2m tmpfs \"$FOLDER\"";
    if !run(&format!("unshare --mount sh -c '{mount}'"), folder.path()).status.success() {
        skip("no right to mount a small disk; root has it");
        return;
    }
    let script = format!(
        "exec unshare --mount sh -c '{mount} && exec \"$0\" --exact killing::full::body --nocapture' \"$0\""
    );
    let output = run(&format!("{SMALL}=1; export {SMALL}; {script}"), folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Says what was not tested, and what for.
#[allow(clippy::print_stderr, reason = "a test has nobody else to tell")]
fn skip(why: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "in CI: {why}");
    eprintln!("skipped: {why}");
}
