//! The n-th write, flush or cut of the file fails, for every n until there is none left to fail: the
//! store says so, keeps what it acknowledged, and never hands out again what was durably done.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{Label, NewTicket, SqliteStore, Status, Store, StoreError};

use super::child::ticket_id;

const ROLE: &str = "HERSH_TEST_FAULTS";

/// The most calls that may be gone through.
const MOST: u32 = 2000;

/// What the process under test says it was told.
#[derive(Default)]
struct Told {
    lines: Vec<String>,
}

impl Told {
    /// Takes an answer; an error has to be one of the file's.
    fn take<T>(&mut self, what: &str, answer: Result<T, StoreError>) -> Option<T> {
        match answer {
            Ok(value) => {
                self.lines.push(what.to_owned());
                Some(value)
            }
            Err(error) => {
                assert!(error.fault.is_transient() || what == "opened", "{what}: {error:?}");
                assert!(!error.to_string().is_empty());
                None
            }
        }
    }
}

fn poll(at_most: usize) -> Poll {
    let tubes = vec![Label::default_tube()];
    Poll { tubes, at_most, lease: Duration::from_secs(3600), budgets: Vec::new() }
}

/// A process of which one call to the system fails.
#[test]
fn body() {
    let Ok(folder) = env::var(ROLE) else { return };
    let folder = Path::new(&folder);
    let mut told = Told::default();
    if let Some(store) = told.take("opened", SqliteStore::open(folder.join("tickets.db"))) {
        work(&store, &mut told);
    }
    fs::write(folder.join("told"), told.lines.join("\n")).unwrap();
}

fn work(store: &SqliteStore, told: &mut Told) {
    for number in 0..3 {
        let ticket = NewTicket::new(ticket_id(number), "work").unwrap();
        let additions = vec![Addition { ticket, if_exists: IfExists::Refuse }];
        told.take(&format!("added {number}"), store.add(additions));
    }
    let done = Change::Finish {
        status: Status::Done,
        keep: true,
        expire_in: None,
        reason: None,
        payload: None,
    };
    for _ in 0..2 {
        let Some(polled) = told.take("polled", store.poll_pending(&poll(1))) else { continue };
        for ticket in polled.tickets {
            let (id, token) = (ticket.id.clone(), ticket.token());
            let updates = vec![Update { id, token, change: done.clone() }];
            told.take(&format!("done {}", ticket.id), store.update(updates));
        }
    }
    told.take("expired", store.expire_tickets(10));
}

/// Runs the process; whether the fault was reached, and what it was told.
fn run(shim: &Path, folder: &Path, at: u32, errno: i32, stays: bool) -> (bool, Vec<String>) {
    let mark = folder.join("reached");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "killing::faults::body", "--nocapture"])
        .env(ROLE, folder)
        .env("LD_PRELOAD", shim)
        .env("HERSH_FAULT_AT", at.to_string())
        .env("HERSH_FAULT_ERRNO", errno.to_string())
        .env("HERSH_FAULT_STAY", if stays { "1" } else { "0" })
        .env("HERSH_FAULT_MARK", &mark)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "at {at}, error {errno}: {said}");
    let told = fs::read_to_string(folder.join("told")).unwrap();
    (mark.exists(), told.lines().map(str::to_owned).collect())
}

/// Opens what is there without faults, and holds it against what was acknowledged.
fn check(folder: &Path, told: &[String], at: u32) {
    let store = SqliteStore::open(folder.join("tickets.db")).unwrap();
    store.verify().unwrap();
    let kept: Vec<_> = (0..3).filter_map(|number| store.get(&ticket_id(number)).unwrap()).collect();
    for line in told {
        match line.split_once(' ') {
            Some(("added", number)) => {
                let id = ticket_id(number.parse().unwrap());
                assert!(kept.iter().any(|ticket| ticket.id == id), "at {at}: {id} is lost");
            }
            Some(("done", id)) => {
                let ticket = kept.iter().find(|ticket| ticket.id == *id);
                let status = ticket.map(|ticket| ticket.status);
                assert_eq!(status, Some(Status::Done), "at {at}: {id} is not done");
            }
            _ => {}
        }
    }
    for claimed in store.poll_pending(&poll(10)).unwrap().tickets {
        let done = format!("done {}", claimed.id);
        assert!(!told.contains(&done), "at {at}: {} is handed out again", claimed.id);
    }
    let pending = kept.iter().filter(|ticket| ticket.status == Status::Pending).count();
    let stats = store.stats().unwrap();
    assert_eq!((stats.pending, stats.total()), (pending as u64, kept.len() as u64), "at {at}");
}

/// Builds what makes calls fail.
fn build(folder: &Path) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/killing/faults.c");
    let shim = folder.join("faults.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&shim, &source])
        .arg("-ldl")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    shim
}

fn every_call_fails_in_turn(errno: i32, stays: bool) {
    let tools = tempfile::tempdir().unwrap();
    let shim = build(tools.path());
    for at in 0..MOST {
        let folder = tempfile::tempdir().unwrap();
        let (reached, told) = run(&shim, folder.path(), at, errno, stays);
        check(folder.path(), &told, at);
        if !reached {
            let done = told.iter().filter(|line| line.starts_with("done")).count();
            assert_eq!((told.len(), done), (9, 2), "without a fault all goes well: {told:?}");
            assert!(at > 30, "{at} calls cannot be all");
            return;
        }
        assert!(told.len() <= 9);
    }
    panic!("{MOST} calls have failed, and there is no end");
}

#[test]
fn nothing_is_lost_whichever_call_fails_once() {
    every_call_fails_in_turn(rustix::io::Errno::IO.raw_os_error(), false);
}

#[test]
fn nothing_is_lost_wherever_the_disk_fills_up() {
    every_call_fails_in_turn(rustix::io::Errno::NOSPC.raw_os_error(), true);
}
