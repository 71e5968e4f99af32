//! `hersh dev` with programs that are a line of shell.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{hersh, run};

#[test]
fn a_program_gets_its_state_and_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let script =
        r#"echo "$HERSH_STATE_DIR $HERSH_API_ADDR $KEY"; echo kept > "$HERSH_STATE_DIR/f""#;
    let ran = run(&mut hersh(&["dev", path, "-e", "KEY=v", "--", "sh", "-c", script]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let words: Vec<_> = ran.out.split_whitespace().collect();
    let state = dir.path().canonicalize().unwrap().join(".hersh/state");
    assert_eq!(words[0], state.to_str().unwrap());
    assert!(words[1].parse::<std::net::SocketAddr>().unwrap().ip().is_loopback());
    assert_eq!(words[2], "v");
    assert_eq!(std::fs::read_to_string(state.join("f")).unwrap(), "kept\n");
}

#[test]
fn how_a_program_ended_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let ran = run(&mut hersh(&["dev", path, "--no-reload", "--", "sh", "-c", "exit 3"]));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("ended with exit code 3"), "{}", ran.err);
    let ran = run(&mut hersh(&["dev", path, "--", "no-such-program-anywhere"]));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot run `no-such-program-anywhere`"), "{}", ran.err);
    let ran = run(&mut hersh(&["dev", path]));
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[test]
fn ctrl_c_ends_the_program_and_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    // A shell's child in the background ignores Ctrl-C; what ends it is that the whole group goes.
    let script = "(sleep 60; echo survived) & echo ready; wait";
    let mut child = hersh(&["dev", path, "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // Ends when nobody holds the pipe any more.
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_change_runs_it_again_and_a_failure_waits_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, code) = (dir.path().to_str().unwrap(), dir.path().join("code"));
    // Says what stands in the file; fails once, then waits to be ended, then ends well.
    std::fs::write(&code, "echo one; exit 3").unwrap();
    let mut child = hersh(&["dev", path, "--", "sh", "./code"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(next(), "one\n");
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("run again when a file changes") {
        assert_ne!(err.read_line(&mut said).unwrap(), 0, "{said}");
    }
    assert!(said.contains("error: the program ended with exit code 3"), "{said}");
    std::fs::write(&code, "echo two; exec sleep 600").unwrap();
    assert_eq!(next(), "two\n");
    std::fs::write(&code, "echo three; exit 0 # in good order").unwrap();
    assert_eq!(next(), "three\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    err.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("a file has changed").count(), 2, "{said}");
}
