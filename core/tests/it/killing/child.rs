//! What the child processes do, and how they are started. A child says what happened a line each on
//! its output, after it has happened; it ends when its input does, as it does when its parent dies.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, io, thread};

use hersh::kharon::store::{Addition, IfExists};
use hersh::kharon::{
    Backoff, Claim, Kharon, NewTicket, Router, Settings, Store, TicketId, UpdateError,
};

use super::ledger::Ledger;
use super::place;

/// What a child process is to do; set for no other.
const ROLE: &str = "HERSH_TEST_TICKETS_ROLE";

/// How long a worker may have a ticket.
pub(super) const PROCESS_TIME: Duration = Duration::from_millis(700);

/// The body of a child process. Without a parent that says what to do there is nothing to test.
#[test]
fn body() {
    let Ok(role) = env::var(ROLE) else { return };
    let (role, rest) = role.split_once(' ').unwrap();
    let (number, words) = rest.split_once(' ').unwrap();
    let store = place::open(words);
    match role {
        "add" => add(&*store, number.parse().unwrap()),
        "work" => work(store),
        "hold" => hold(store),
        _ => panic!("no role {role}"),
    }
    std::process::exit(0);
}

pub(super) fn id(number: usize) -> String {
    format!("ticket-{number}")
}

pub(super) fn payload(id: &str) -> String {
    format!("the payload of {id}")
}

fn say(line: &str) {
    // Not `println!`, whose output from the test's own thread the runner captures. In one piece, so
    // that a kill leaves a line whole or without its end.
    io::stdout().write_all(format!("> {line}\n").as_bytes()).unwrap();
}

/// Adds tickets, from a number on, as many as the parent says, and says which are acknowledged.
fn add(store: &dyn Store, first: usize) {
    let mut next = first;
    for line in io::stdin().lines() {
        let last = next + line.unwrap().parse::<usize>().unwrap();
        while next < last {
            let to = (next + 10).min(last);
            let additions = (next..to).map(|number| {
                let id = id(number);
                let ticket = NewTicket::new(id.as_str(), "work").unwrap().payload(payload(&id));
                // One that the child before added, without living to say so, is there already.
                Addition { ticket, if_exists: IfExists::Keep }
            });
            match store.add(additions.collect()) {
                Ok(added) if added.iter().all(Result::is_ok) => {
                    next = to;
                    say(&format!("added {to}"));
                }
                Ok(added) => say(&format!("unexpected {added:?}")),
                Err(error) if error.fault.is_transient() => {}
                Err(error) => say(&format!("unexpected {error}")),
            }
        }
    }
}

fn settings() -> Settings {
    Settings {
        process_time: PROCESS_TIME,
        max_poll_interval: Duration::from_millis(100),
        backoff: Backoff { max: Duration::from_millis(20), ..Backoff::default() },
        ..Settings::default()
    }
}

/// Works on tickets until the input ends. Every seventh ticket fails at first.
fn work(store: Arc<dyn Store>) {
    let kharon = Kharon::new(store, settings()).unwrap();
    let handler = |claim: &Claim| {
        let id = claim.id.as_str();
        say(&format!("ran {id} {}", claim.mtime.as_micros()));
        if *claim.payload != *payload(id).as_bytes() {
            say(&format!("unexpected payload of {id}"));
        }
        if claim.attempts == 1 && id.ends_with('7') {
            return Err("the first attempt fails".into());
        }
        finish(claim);
        Ok(())
    };
    kharon.start(Router::new().handle("work", handler)).unwrap();
    io::stdin().lines().for_each(drop);
    let report = kharon.stop(Duration::from_secs(20));
    if report.still_running > 0 {
        say(&format!("unexpected {report:?}"));
    }
}

fn finish(claim: &Claim) {
    let id = &claim.id;
    match claim.done(()) {
        Ok(()) => say(&format!("done {id}")),
        Err(UpdateError::StaleClaim) => say(&format!("stale {id}")),
        // What became of it is not known, and it is not claimed that it was done.
        Err(UpdateError::Store(error)) if error.fault.is_transient() => {}
        Err(error) => say(&format!("unexpected {id}: {error}")),
    }
}

/// Takes one ticket, and settles it when the parent says so. It does nothing else meanwhile: a process
/// that is stopped inside a transaction holds up everybody who writes to the same file.
fn hold(store: Arc<dyn Store>) {
    let settings = Settings { workers: 1, expiration: false, ..settings() };
    let kharon = Kharon::new(store, settings).unwrap();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let handler = move |claim: &Claim| {
        say(&format!("ran {} {}", claim.id, claim.mtime.as_micros()));
        let _told: Result<(), _> = wait.lock().unwrap().recv();
        finish(claim);
        Ok(())
    };
    kharon.start(Router::new().handle("work", handler)).unwrap();
    for _line in io::stdin().lines() {
        go.send(()).unwrap();
    }
    drop(go);
    kharon.stop(Duration::from_secs(20));
}

/// A child process, killed with this.
pub(super) struct Process {
    pub(super) child: Child,
    input: Option<ChildStdin>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    pub(super) fn start(role: &str, number: usize, words: &str, ledger: &Arc<Ledger>) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killing::child::body", "--nocapture"])
            .env(ROLE, format!("{role} {number} {words}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (said, complained) = (Arc::clone(ledger), Arc::clone(ledger));
        let readers = vec![
            thread::spawn(move || read(output, |line| said.hear(line))),
            thread::spawn(move || {
                read(errors, |line| complained.hear(&format!("unexpected {line}")));
            }),
        ];
        Self { child, input, readers }
    }

    /// Tells it something. It may be dead.
    pub(super) fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Kills it as the machine would, and waits until all it said is in the ledger.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }

    /// Lets it end by itself.
    pub(super) fn end(mut self) {
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        assert!(status.success(), "a child ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where a test fails. One that ended already is no longer there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut from: impl BufRead, mut heard: impl FnMut(&str)) {
    let mut line = String::new();
    while from.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        // What the runner of tests says is not for us; a line without an end was cut by a kill.
        if let Some(whole) = line.strip_suffix('\n') {
            heard(whole);
        }
        line.clear();
    }
}

/// Tells when a ticket of this id has run, by whoever hears of it.
pub(super) fn wait_for(events: &Receiver<String>, event: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let heard =
            events.recv_timeout(left).unwrap_or_else(|_| panic!("no {event:?} in a minute"));
        assert!(!heard.starts_with("unexpected"), "{heard}");
        if heard.starts_with(event) {
            return;
        }
    }
}

/// The id of a ticket.
pub(super) fn ticket_id(number: usize) -> TicketId {
    TicketId::new(id(number)).unwrap()
}
