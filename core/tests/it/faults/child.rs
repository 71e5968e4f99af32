//! What the processes do into which faults are put.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use hersh::{Config, Context, LogKind, ManagedError, Message, StartError, State, Watcher};

/// What a process is to do; set for no other.
pub(super) const ROLE: &str = "HERSH_TEST_FAULTS_ROLE";

const LONG: Option<Duration> = Some(Duration::from_secs(30));

/// The body of a process. Without a parent that says what to do there is nothing to test.
#[test]
fn body() {
    let Ok(role) = env::var(ROLE) else { return };
    match role.as_str() {
        #[cfg(feature = "persist")]
        "persist" => persist(),
        #[cfg(feature = "journal")]
        "journal" => journal(),
        "start" => start(),
        #[cfg(feature = "api")]
        "accept" => accept(),
        _ => panic!("no role {role}"),
    }
}

/// From here on calls count. The names mean something to the shim alone.
fn arm() {
    fs::rename("hersh-fault-arm", "x").expect("the shim is loaded");
}

/// Whether one has failed. From here on none does.
fn told() -> bool {
    let failed = fs::rename("hersh-fault-told", "x").is_ok();
    let words = if failed { "it failed" } else { "nothing failed" };
    io::stdout().write_all(format!("> {words}\n").as_bytes()).unwrap();
    failed
}

fn counting(_: Option<&Message>, ctx: &Context) -> Result<(), ManagedError> {
    ctx.update_value("n", |n: Option<u64>| Ok(n.unwrap_or(0) + 1))?;
    Ok(())
}

fn watcher(config: Config) -> Watcher {
    let watcher = Watcher::builder().config(config).seed(7).build().unwrap();
    watcher.manage("count", counting).unwrap();
    watcher
}

/// Waits until everything that was sent has been served.
fn served(watcher: &Watcher, executions: u64) {
    for _ in 0..30_000 {
        let stats = watcher.stats();
        if stats.counters.executions >= executions && stats.state == State::Ready {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("not served: {:?}", watcher.stats());
}

/// A disk fails while values are kept. What was completed before is still there, the execution whose
/// values could not be kept says so, and the next one keeps them.
#[cfg(feature = "persist")]
fn persist() {
    use hersh::{Persist, PersistError};
    let config = || Config { persist: Some(Persist::to("values.json")), ..Config::default() };
    let kept = || {
        // It is this look that may fail, once.
        let read = || fs::read_to_string("values.json");
        let text = read().or_else(|_| read()).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).expect("whole")["values"]["n"].as_u64()
    };
    let first = watcher(config());
    first.start().unwrap();
    served(&first, 1);
    first.stop().unwrap();
    assert_eq!(kept(), Some(1));

    let second = watcher(config());
    arm();
    if let Err(error) = second.start() {
        assert!(matches!(&error, StartError::Persist(PersistError::Io { .. })), "{error:?}");
        assert!(error.to_string().contains("values.json"), "{error}");
        assert_eq!((second.state(), kept()), (State::NotRun, Some(1)), "nothing has changed");
        second.start().expect("the next time it goes well");
    }
    for execution in 2..=4 {
        served(&second, execution - 1);
        let (errors, on_disk) = (second.stats().counters.errors, kept());
        assert!(
            on_disk.is_some_and(|n| n >= execution - errors),
            "completed and lost: {on_disk:?}"
        );
        second.send_message("more").unwrap();
    }
    served(&second, 4);
    let failed = told();
    let counters = second.stats().counters;
    assert!(counters.errors <= 1, "{counters:?}");
    if let Some(error) = &counters.last_error {
        assert!(failed && error.contains("values.json"), "{error}");
    }
    second.stop().unwrap();
    assert_eq!(kept(), Some(5), "the next that is kept keeps all");
    let left = fs::read_dir(".").unwrap().count();
    assert_eq!(left, 1, "nothing is left lying about");
}

/// A disk fails while inputs are recorded. The watcher goes on and says that it records no longer, or
/// does not start and says why; what was recorded before replays.
#[cfg(feature = "journal")]
fn journal() {
    use hersh::{Journal, JournalError, replay};
    let journal = Journal { max_bytes: 4096, keep: 100, ..Journal::to("inputs") };
    let watcher = watcher(Config { journal: Some(journal), ..Config::default() });
    arm();
    let mut started = watcher.start();
    if let Err(error) = &started {
        assert!(matches!(error, StartError::Journal(JournalError::Io { .. })), "{error:?}");
        assert!(error.to_string().contains("inputs"), "{error}");
        assert_eq!(watcher.state(), State::NotRun);
        fs::remove_file("inputs").ok();
        started = watcher.start();
    }
    started.expect("the next time it goes well");
    for message in 1..=12 {
        watcher.send_message(format!("message {message}")).unwrap();
        served(&watcher, message + 1);
    }
    let failed = told();
    let report = watcher.stop().unwrap();
    assert_eq!((report.state, report.unserved.len()), (State::Stopped, 0), "it goes on");
    assert_eq!(watcher.values()["n"].get::<u64>(), Some(&13));

    let logs = watcher.logs(LogKind::Context, 100);
    let words = logs.iter().find(|line| line.text.contains("no longer recorded"));
    assert!(words.is_none_or(|line| failed && line.text.contains("inputs")), "{words:?}");
    match replay("inputs", counting) {
        Ok(replayed) => {
            assert_eq!(replayed.divergence, None);
            assert!(words.is_some() || replayed.transitions > 24, "recorded to the end");
        }
        // What fails between two files leaves the one without its beginning, or without a place.
        Err(error) => {
            assert!(words.is_some(), "{error}");
            assert!(fs::read_dir(".").unwrap().count() > 0, "and what was there is still there");
        }
    }
}

/// The machine has no room for another thread. A start says so; whatever starts does all its work.
fn start() {
    let polling = |_: Option<&Message>, ctx: &Context| {
        let polled = ctx.watch_call("polled", Duration::from_millis(20), || Ok::<_, String>(7))?;
        if let Some(value) = polled.value() {
            ctx.set_value("polled", *value);
        }
        Ok(())
    };
    let watcher = Watcher::builder().build().unwrap();
    watcher.manage("poll", polling).unwrap();
    arm();
    match watcher.start() {
        Ok(()) => {
            for _ in 0..30_000 {
                if watcher.values().contains_key("polled") {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(
                watcher.values().contains_key("polled"),
                "another thread polls, or a later one"
            );
            watcher.stop().unwrap();
        }
        Err(StartError::Thread(error)) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(watcher.state(), State::Stopped, "and not half alive");
            assert!(watcher.wait(LONG).is_some());
            told();
            watcher.start().expect("the machine has threads again");
            assert!(watcher.wait_for(State::Ready, LONG));
            watcher.stop().unwrap();
            assert!(watcher.join(LONG), "no thread is left behind");
            return;
        }
        Err(error) => panic!("{error}"),
    }
    assert!(watcher.join(LONG), "no thread is left behind");
    told();
}

/// A connection cannot be accepted. The gate goes on, and every client is served or turned away.
#[cfg(feature = "api")]
fn accept() {
    use crate::gate::client::{Client, config, open};
    let gate = open(config());
    arm();
    for _ in 0..3 {
        let answer = Client::connect(gate.local_addr()).get("/hello");
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    }
    told();
    assert_eq!(Client::connect(gate.local_addr()).get("/hello").status, 200);
}
