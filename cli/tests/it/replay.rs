//! `hersh replay` on journals that a watcher wrote, whole, torn and changed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hersh::sim::Simulation;
use hersh::{Config, Context, Journal, ManagedError, Message, Watcher};

use crate::run::{hersh, run};

// A program that does a little of everything: messages, polls, timers, errors, crashes, its end.
fn busy(message: Option<&Message>, ctx: &Context) -> Result<(), ManagedError> {
    ctx.watch_call("zulu", Duration::from_secs(3), || Ok::<_, String>(1))?;
    ctx.watch_tick("alpha", Duration::from_secs(1))?;
    match message.map(Message::content) {
        Some("fail") => Err("an ordinary error".into()),
        Some("crash") if ctx.attempt() == 1 => Err(ManagedError::crash("once")),
        Some("stop") => Err(ManagedError::stop("the user asked")),
        _ => Ok(()),
    }
}

fn record(dir: &Path, max_bytes: u64) -> PathBuf {
    let path = dir.join("journal");
    let journal = Journal { max_bytes, keep: 100, ..Journal::to(&path) };
    let sim = Simulation::new(7);
    let config = Config { journal: Some(journal), ..Config::default() };
    let watcher = sim.builder().name("busy").config(config).build().unwrap();
    watcher.manage("busy", busy).unwrap();
    watcher.start().unwrap();
    for message in ["hello", "fail", "crash", "again", "stop"] {
        watcher.send_message(message).unwrap();
        sim.advance(Duration::from_secs(30));
    }
    watcher.start().unwrap();
    sim.advance(Duration::from_secs(3));
    watcher.request_stop("enough");
    sim.advance(Duration::from_secs(3));
    path
}

fn replay(path: &Path, more: &[&str]) -> crate::run::Ran {
    run(&mut hersh(&[&["replay", path.to_str().unwrap()], more].concat()))
}

#[test]
fn a_run_is_summed_up_and_goes_the_same_way_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let ran = replay(&path, &["--transitions"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("NotRun -> InitRun: start\n"), "{}", ran.out);
    assert!(ran.out.contains("\nmessages:    5\n"), "{}", ran.out);
    assert!(ran.out.contains("\nsessions:    2\n"), "{}", ran.out);
    assert!(ran.out.contains("\nstate:       Stopped\n"), "{}", ran.out);
    assert!(ran.err.contains("changes of state, all the same"), "{}", ran.err);
    let json: serde_json::Value = serde_json::from_str(&replay(&path, &["--json"]).out).unwrap();
    assert_eq!(json["transitions"], json["replayed"]["transitions"], "{json}");
    assert_eq!((&json["torn"], &json["watcher"]), (&false.into(), &"sim-1".into()), "{json}");
    assert_eq!(json["variables"][0]["name"], "alpha", "{json}");
}

#[test]
fn a_run_in_several_files_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 4096);
    let ran = replay(&path, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(json["parts"].as_u64().unwrap() > 1, "{json}");
    assert_eq!(json["transitions"], json["replayed"]["transitions"], "{json}");
    std::fs::remove_file(dir.path().join("journal.1")).unwrap();
    let ran = replay(&path, &[]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("journal.1"), "{}", ran.err);
}

#[test]
fn a_torn_end_is_told_and_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    let ran = replay(&path, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the last line is not whole"), "{}", ran.out);
}

#[test]
fn damage_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("hello", "hullo", 1)).unwrap();
    let line = text.lines().position(|line| line.contains("hello")).unwrap() + 1;
    let ran = replay(&path, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains(&format!("line {line} of the journal")), "{}", ran.err);
    std::fs::write(&path, "no journal\n").unwrap();
    assert_eq!(replay(&path, &[]).code, 2);
    assert_eq!(replay(&dir.path().join("none"), &[]).code, 4);
}

#[test]
fn a_record_that_was_changed_diverges_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let text = std::fs::read_to_string(&path).unwrap();
    // The message that crashed it becomes one that did not: its digits are right again.
    let changed: String = text
        .lines()
        .map(|line| match line.split_once(' ') {
            Some((_, json)) if json.contains("WaitRecover") && json.contains("crash: once") => {
                let json = json.replace("\"to\":\"WaitRecover\"", "\"to\":\"Killed\"");
                format!("{:08x} {json}\n", digest(&json))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(changed, text);
    std::fs::write(&path, changed).unwrap();
    let ran = replay(&path, &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("contradicts itself"), "{}", ran.err);
    let json: serde_json::Value = serde_json::from_str(&replay(&path, &["--json"]).out).unwrap();
    let divergence = &json["replayed"]["divergence"];
    assert_eq!(divergence["expected"], "Crashed -> Killed: crash: once", "{json}");
    assert_eq!(divergence["found"], "Crashed -> WaitRecover: crash: once", "{json}");
}

fn digest(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811C_9DC5, step)
}

/// Set for the process that is to be the program, to what it does.
const ROLE: &str = "HERSH_TEST_ROLE";

/// The program, as it is run for its users: it knows nothing of replays.
#[test]
fn the_program() {
    let Ok(role) = std::env::var(ROLE) else { return };
    std::io::stdout().write_all(b"here is the program\n").unwrap();
    if role == "starts nothing" {
        return;
    }
    let watcher = Watcher::builder().name("busy").build().unwrap();
    let twisted = role == "twisted";
    watcher
        .manage("busy", move |message, ctx| match message.map(Message::content) {
            Some("again") if twisted => Err(ManagedError::stop("no more")),
            _ => busy(message, ctx),
        })
        .unwrap();
    let state = std::env::var("HERSH_STATE_DIR").unwrap();
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0);
    match role.as_str() {
        "lives on" => {
            watcher.run().unwrap();
            loop {
                std::thread::park();
            }
        }
        "hangs" => loop {
            std::thread::park();
        },
        // What it says of itself is not asked for: it has been written down.
        _ => drop(watcher.run()),
    }
}

fn replay_program(path: &Path, role: &str, more: &[&str]) -> crate::run::Ran {
    let program = std::env::current_exe().unwrap();
    let own = [program.to_str().unwrap(), "--exact", "replay::the_program", "--nocapture"];
    let args = [&["replay", path.to_str().unwrap()], more, &["--"], &own].concat();
    run(hersh(&args).env(ROLE, role))
}

#[test]
fn a_program_is_run_over_its_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let before = std::fs::read(&path).unwrap();
    let ran = replay_program(&path, "as it was", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("\nmessages:    5\n") && !ran.out.contains("here is"), "{}", ran.out);
    assert!(ran.err.contains("here is the program\n"), "{}", ran.err);
    assert!(ran.err.contains("changes of state, all the same"), "{}", ran.err);
    let json = replay_program(&path, "as it was", &["--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["replayed"]["transitions"], json["transitions"], "{json}");
    assert_eq!(json["replayed"]["program"][2], "replay::the_program", "{json}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_program_that_has_changed_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let ran = replay_program(&path, "twisted", &[]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let said = "differs: the journal says Running -> Ready: returned, the program says no change\n";
    assert!(ran.err.contains(said), "{}", ran.err);
    let ran = replay_program(&path, "twisted", &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["replayed"]["divergence"]["found"]), (1, &None::<u8>.into()));
}

#[test]
fn a_program_that_takes_no_part_is_told_and_one_that_does_not_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), 64 << 20);
    let ran = replay_program(&path, "starts nothing", &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("replayed nothing: the program ended well"), "{}", ran.err);
    let ran = replay_program(&path, "hangs", &["--timeout", "1"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("did not come to the end of its replay within 1s"), "{}", ran.err);
    let ran = replay_program(&path, "lives on", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let path = path.to_str().unwrap();
    let ran = run(&mut hersh(&["replay", path, "--", "no-such-program-anywhere"]));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("cannot run `no-such-program-anywhere`"), "{}", ran.err);
}
