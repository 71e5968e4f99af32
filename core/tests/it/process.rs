//! `run()` and the signals that end a process (spec 10.7), in processes of their own.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use hersh::{Config, Watcher};
use rustix::process::{Pid, Signal, kill_process};

/// Set for the process that is to be the program.
const ROLE: &str = "HERSH_TEST_ROLE";

/// The program: says what happens to it, a line each. Hangs for good if told to.
#[test]
fn program() {
    let Ok(role) = env::var(ROLE) else { return };
    #[cfg(feature = "persist")]
    if let Some(path) = role.strip_prefix("keeps ") {
        return keep_counting(path);
    }
    let config = Config { stop_timeout: Duration::from_secs(60), ..Config::default() };
    let watcher = Watcher::builder().config(config).build().unwrap();
    watcher
        .manage("say", move |_, ctx| {
            say("running");
            if role == "deaf" {
                loop {
                    std::thread::park();
                }
            }
            ctx.sleep(Duration::from_secs(60));
            Ok(())
        })
        .unwrap();
    watcher.cleanup(|_| say("cleanup")).unwrap();
    let report = watcher.run().unwrap();
    say(&format!("ended {}", report.state));
    std::process::exit(0);
}

fn say(line: &str) {
    // Not `println!`, whose output from the test's own thread the runner captures.
    std::io::stdout().write_all(format!("say {line}\n").as_bytes()).unwrap();
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn new(role: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process::program", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next_said(&mut self) -> Option<String> {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find_map(|line| line.split_once("say ").map(|(_, said)| said.to_owned()))
    }

    fn hears(&mut self, expected: &str) {
        assert_eq!(self.next_said().as_deref(), Some(expected));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_signal_stops_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::new("listens");
        program.hears("running");
        program.signal(signal);
        program.hears("cleanup");
        program.hears("ended Stopped");
        assert!(program.child.wait().unwrap().success());
    }
}

#[test]
fn a_second_signal_kills_a_function_that_does_not_listen() {
    let mut program = Program::new("deaf");
    program.hears("running");
    program.signal(Signal::TERM);
    // Signals of one number merge while one is pending: a second of another kind cannot be lost.
    program.signal(Signal::INT);
    program.hears("ended Killed");
    assert!(program.child.wait().unwrap().success());
}

/// Counts in a persisted value, and says which counts belong to completed executions.
#[cfg(feature = "persist")]
fn keep_counting(path: &str) {
    let persist = Some(hersh::Persist::to(path));
    let watcher =
        Watcher::builder().config(Config { persist, ..Config::default() }).build().unwrap();
    let own = watcher.downgrade();
    watcher
        .manage("count", move |_, ctx| {
            let count = ctx.get_value::<u64>("count")?.unwrap_or(0);
            say(&format!("completed {count}"));
            ctx.set_value("count", count + 1);
            ctx.set_value("filling", "x".repeat(20_000));
            own.upgrade().ok_or("dropped")?.send_message("again")?;
            Ok(())
        })
        .unwrap();
    watcher.run().unwrap();
}

#[cfg(feature = "persist")]
#[test]
fn kill_9_loses_nothing_that_a_completed_execution_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    let mut completed = 0;
    for life in 0..20_u64 {
        let mut program = Program::new(&format!("keeps {}", path.display()));
        // Killed after so many executions, at whatever it is doing then.
        for _ in 0..=life * 7 % 11 {
            let said = program.next_said().unwrap();
            completed = said.strip_prefix("completed ").unwrap().parse::<u64>().unwrap();
        }
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        let left = program.lines.by_ref().map_while(Result::ok).filter_map(|line| {
            line.split_once("completed ").and_then(|(_, count)| count.parse().ok())
        });
        completed = left.last().unwrap_or(completed);
        let text = std::fs::read(&path).unwrap_or_else(|_| b"{\"values\":{\"count\":0}}".to_vec());
        let json: serde_json::Value = serde_json::from_slice(&text).expect("never torn");
        let kept = json["values"]["count"].as_u64().unwrap();
        assert!((completed..=completed + 1).contains(&kept), "{completed} completed, {kept} kept");
    }
    assert!(completed > 20, "it went on from life to life");
}
