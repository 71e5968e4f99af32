//! A server whose wall clock is set an hour ahead and back, again and again, while tickets wait.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use hersh::kharon::store::postgres::{PostgresOptions, PostgresStore};
use hersh::kharon::store::{Poll, Update};
use hersh::kharon::{
    Claim, Kharon, Label, NewTicket, Router, Settings, Status, Store, SystemClock, UpdateError,
};

use super::server::address;
use crate::killing::stepped;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/postgres");
const MINUTE: Duration = Duration::from_secs(60);

/// A server of its own, by a clock that can be set. It ends with this.
struct Stepped {
    address: String,
    folder: tempfile::TempDir,
    script: Child,
    input: Option<ChildStdin>,
}

impl Stepped {
    /// `None`, and a line that says what to do, where nobody brought PostgreSQL or the means to set
    /// its clock.
    fn start() -> Option<Self> {
        address()?;
        stepped::library()?;
        // Its owner, who may be another than we are, has to get in.
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let clock = folder.path().join("clock");
        stepped::set(&clock, "+0s");
        let mut script = Command::new(SCRIPT)
            // It ends when its input does, as it does when this process dies.
            .args(["run", "sh", "-c", "echo \"$HERSH_TEST_POSTGRES\"; exec cat"])
            .env_remove("HERSH_TEST_POSTGRES")
            .env("HERSH_POSTGRES_CLOCK", clock)
            .env("HERSH_POSTGRES_DIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = script.stdin.take();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().to_owned();
        assert!(address.starts_with("postgresql://"), "no server with a clock: {address:?}");
        Some(Self { address, folder, script, input })
    }

    /// Sets the clock so far ahead of the true time. At once for whoever reads it.
    fn set(&self, ahead: &str) {
        stepped::set(&self.folder.path().join("clock"), ahead);
    }

    fn connect(&self, options: PostgresOptions) -> PostgresStore {
        options.listen(false).connect(&self.address).unwrap()
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.script.wait();
    }
}

fn steps() -> impl Iterator<Item = &'static str> {
    let count = env::var("HERSH_SOAK_JUMPS").ok().map_or(8, |text| text.parse().unwrap());
    ["+3600s", "+0s", "-3600s", "+0s"].into_iter().cycle().take(count)
}

fn settings() -> Settings {
    Settings { max_poll_interval: Duration::from_millis(50), ..Settings::default() }
}

/// A worker that says what it runs, and settles it before it does.
fn work(store: &Arc<PostgresStore>) -> (Kharon, Receiver<(String, Status)>) {
    let kharon = Kharon::new(Arc::clone(store), settings()).unwrap();
    let (send, receive) = channel();
    let handler = move |claim: &Claim| {
        assert!(claim.mtime >= claim.runat, "{claim:?} is early by the clock of the server");
        // A step that comes while it is at work may end its claim: then it is run once more.
        let status = match claim.done(()) {
            Ok(()) => Status::Done,
            Err(UpdateError::StaleClaim) => Status::Pending,
            Err(error) => panic!("{error}"),
        };
        send.send((claim.id.to_string(), status))?;
        Ok(())
    };
    kharon.start(Router::new().handle("work", handler)).unwrap();
    (kharon, receive)
}

/// By the server's clock a step ahead brings forward what is due within that hour, as the docs say, and
/// nothing else; none is lost, and none is run after its Done.
#[test]
fn steps_of_the_servers_clock_bring_forward_only_what_they_pass() {
    let Some(server) = Stepped::start() else { return };
    let store = Arc::new(server.connect(PostgresOptions::new()));
    let (kharon, ran) = work(&store);
    let mut done: HashSet<String> = HashSet::new();
    let hear = |done: &mut HashSet<String>, (id, status): (String, Status)| {
        assert!(!id.starts_with("beyond"), "{id} was early by more than the step");
        assert!(!done.contains(&id), "{id} is run after its Done");
        if status == Status::Done {
            done.insert(id);
        }
    };
    for (number, ahead) in steps().enumerate() {
        server.set(ahead);
        let add = |name: &str, delay| {
            let new = NewTicket::new(format!("{name}-{number}"), "work").unwrap();
            kharon.add(new.delay(delay)).unwrap();
        };
        // Due by no clock that there will be: from an hour behind it is 2 h to the farthest step.
        add("beyond", MINUTE * 150);
        add("soon", Duration::from_millis(30));
        add("now", Duration::ZERO);
        let deadline = Instant::now() + Duration::from_millis(250);
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match ran.recv_timeout(left) {
                Ok(run) => hear(&mut done, run),
                Err(RecvTimeoutError::Timeout) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    // An hour ahead, everything is due that a step back may have put off.
    server.set("+3600s");
    let all = steps().count();
    while done.len() < all * 2 {
        let run = ran.recv_timeout(MINUTE).expect("what is due is run, whatever the clock did");
        hear(&mut done, run);
    }
    kharon.stop(MINUTE / 3);
    let stats = store.stats().unwrap();
    assert_eq!((stats.done, stats.pending), (all as u64 * 2, all as u64), "{stats:?}");
}

/// What a step ahead passes is the end of a claim too: who had it comes too late.
#[test]
fn a_claim_that_a_step_ended_cannot_be_settled_by_who_had_it() {
    let Some(server) = Stepped::start() else { return };
    let store = Arc::new(server.connect(PostgresOptions::new()));
    let kharon = Kharon::new(Arc::clone(&store), settings()).unwrap();
    kharon.add(NewTicket::new("one", "work").unwrap()).unwrap();
    let poll =
        Poll { tubes: vec![Label::default_tube()], at_most: 1, lease: MINUTE, budgets: Vec::new() };
    let claim = || store.poll_pending(&poll).unwrap().tickets;
    let first = claim().remove(0);
    server.set("-3600s");
    assert!(claim().is_empty(), "the claim runs on");
    server.set("+3600s");
    let second = claim().remove(0);
    server.set("+0s");
    let settle = |ticket: &hersh::kharon::Ticket| {
        let change = hersh::kharon::store::Change::Finish {
            status: Status::Done,
            keep: true,
            expire_in: None,
            reason: None,
            payload: None,
        };
        let update = Update { id: ticket.id.clone(), token: ticket.token(), change };
        store.update(vec![update]).unwrap().remove(0)
    };
    assert!(matches!(settle(&first), Err(UpdateError::StaleClaim)));
    settle(&second).unwrap();
    assert!(claim().is_empty());
}

/// With a clock of the process's own, PostgreSQL is as the other stores are: no step of anybody's wall
/// clock makes a ticket early.
#[test]
fn nothing_is_early_by_a_steady_clock_whatever_the_servers_does() {
    let Some(server) = Stepped::start() else { return };
    let options = PostgresOptions::new().clock(Arc::new(SystemClock::new()));
    let store = Arc::new(server.connect(options));
    let (kharon, ran) = work(&store);
    let added: Mutex<HashMap<String, (Instant, Duration)>> = Mutex::default();
    let mut expected = 0;
    for (number, ahead) in steps().enumerate() {
        server.set(ahead);
        for millis in [0, 100, 300] {
            let (id, delay) = (format!("{number}-{millis}"), Duration::from_millis(millis));
            added.lock().unwrap().insert(id.clone(), (Instant::now(), delay));
            kharon.add(NewTicket::new(id, "work").unwrap().delay(delay)).unwrap();
            expected += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut seen = HashSet::new();
    while seen.len() < expected {
        let (id, status) = ran.recv_timeout(MINUTE).expect("it is run, whatever the clock says");
        let (at, delay) = added.lock().unwrap()[&id];
        assert!(at.elapsed() >= delay, "{id} was early");
        assert_eq!(status, Status::Done);
        assert!(seen.insert(id), "run again after its Done");
    }
    kharon.stop(MINUTE / 3);
}
