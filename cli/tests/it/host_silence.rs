//! Programs that stop answering although their containers run, on an engine in memory.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hersh_cli::host::engine::FakeEngine;
use hersh_cli::host::{Host, HostError, ProgramView};
use hersh_cli::program::{Attempt, ProgramId, RestartMode, State};

use crate::support::{PATIENCE, config, deploy, new_program, wait_for};

/// A host that asks its programs at each look.
fn open(data: &Path, engine: &FakeEngine) -> Host {
    let mut config = config(data);
    config.health_every = Duration::ZERO;
    Host::open_with(config, |_, _, _| Arc::new(engine.clone())).unwrap()
}

fn is_silent(view: &ProgramView) -> bool {
    view.state == State::Starting && !view.container_id.is_empty()
}

fn until_silent(host: &Host, id: &ProgramId) -> ProgramView {
    let view = host.wait(id, PATIENCE, is_silent).unwrap();
    assert!(is_silent(&view), "{view:#?}");
    view
}

fn until_attempt(host: &Host, id: &ProgramId, attempt: u32) -> ProgramView {
    let there = |view: &ProgramView| view.state == State::Ready && view.attempt == Attempt(attempt);
    let view = host.wait(id, PATIENCE, there).unwrap();
    assert!(there(&view), "{view:#?}");
    view
}

fn events(host: &Host, id: &ProgramId) -> Vec<String> {
    host.events(id, 0, 100).unwrap().events.into_iter().map(|event| event.event).collect()
}

#[test]
fn one_that_stops_answering_is_not_ready_until_it_answers_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (ready, neighbour) = (deploy(&host, new_program()), deploy(&host, new_program()));
    let (id, port) = (&ready.program_id, ready.port.unwrap());
    engine.set_mute_on(port, true);
    let silent = until_silent(&host, id);
    let words = "its WatcherAPI has not answered on port 8080 with 200 since 20";
    assert!(silent.error_msg.starts_with(words), "{}", silent.error_msg);
    assert_eq!((&silent.container_id, silent.desired), (&ready.container_id, "Ready"));
    // It serves nobody, and whoever asks is told why; what it wrote can still be read.
    let refused = host.address(id).unwrap_err();
    assert!(matches!(&refused, HostError::NotReady { .. }), "{refused}");
    assert!(refused.to_string().contains(words), "{refused}");
    assert_eq!(host.logs(id, 10).unwrap().logs, "attempt 1 is up\n");
    engine.set_mute_on(port, false);
    let again = until_attempt(&host, id, 1);
    assert_eq!((again.container_id, again.error_msg), (ready.container_id, String::new()));
    host.address(id).unwrap();
    let told = events(&host, id);
    assert_eq!(told[told.len() - 2..], ["RuntimeSilent", "RuntimeAnswered"]);
    assert!(host.metrics().text().contains("\nhersh_host_silences_total 1\n"));
    assert_eq!(host.get(&neighbour.program_id).unwrap(), neighbour);
}

#[test]
fn one_that_does_not_answer_again_is_stopped_and_waits_for_a_person() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let neighbour = deploy(&host, new_program());
    let mut new = new_program();
    new.health.ready_timeout_ms = Some(3_000);
    let program = deploy(&host, new);
    engine.set_mute_on(program.port.unwrap(), true);
    let failed = wait_for(&host, &program.program_id, State::Error);
    assert!(failed.error_msg.contains("has not answered"), "{}", failed.error_msg);
    let lines = ", and was stopped; its last lines: attempt 1 is up";
    assert!(failed.error_msg.ends_with(lines), "{}", failed.error_msg);
    assert_eq!(failed.exit.unwrap().last_lines, ["attempt 1 is up"]);
    assert!(engine.wait_containers(1, PATIENCE), "the neighbour's alone");
    assert_eq!(host.get(&neighbour.program_id).unwrap(), neighbour);
    let view = host.get(&program.program_id).unwrap();
    assert_eq!((view.state, view.restarts, view.desired), (State::Error, 0, "Ready"));
    // What it wrote, to its last line.
    assert_eq!(host.logs(&program.program_id, 1).unwrap().logs, "goodbye\n");
}

#[test]
fn one_that_does_not_answer_again_is_started_anew_where_its_owner_asked_for_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    for mode in [RestartMode::OnFailure, RestartMode::Always] {
        let mut new = new_program();
        new.restart = mode;
        new.health.ready_timeout_ms = Some(3_000);
        let program = deploy(&host, new);
        let (id, port) = (&program.program_id, program.port.unwrap());
        engine.set_mute_on(port, true);
        wait_for(&host, id, State::Error);
        engine.set_mute_on(port, false);
        let again = until_attempt(&host, id, 2);
        assert_eq!(again.restarts, 1);
        assert_ne!(again.container_id, program.container_id);
    }
    assert_eq!(engine.running(), 2);
}

#[test]
fn a_silent_one_is_stopped_restarted_and_removed_as_any_other() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let programs: Vec<_> = (0..3).map(|_| deploy(&host, new_program()).program_id).collect();
    engine.set_mute(true);
    for id in &programs {
        until_silent(&host, id);
    }
    assert!(matches!(host.start(&programs[0]), Err(HostError::Conflict { .. })));
    host.restart(&programs[0]).unwrap();
    host.stop(&programs[1]).unwrap();
    host.delete(&programs[2], true).unwrap();
    wait_for(&host, &programs[1], State::Stopped);
    engine.set_mute(false);
    until_attempt(&host, &programs[0], 2);
    let gone = host.wait(&programs[2], PATIENCE, |_| false);
    assert!(matches!(gone, Err(HostError::NotFound(_))), "{gone:?}");
    assert!(engine.wait_containers(1, PATIENCE));
}

#[test]
fn the_next_host_knows_a_silent_one() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (one, two) = (deploy(&host, new_program()), deploy(&host, new_program()));
    engine.set_mute(true);
    let before = until_silent(&host, &one.program_id);
    until_silent(&host, &two.program_id);
    drop(host);
    // One of them ends while nobody looks.
    assert!(engine.exit(&two.program_id, 4, "alone\n"));
    let host = open(dir.path(), &engine);
    let adopted = host.get(&one.program_id).unwrap();
    assert!(is_silent(&adopted), "{adopted:#?}");
    assert_eq!((&adopted.error_msg, adopted.attempt), (&before.error_msg, Attempt(1)));
    assert_eq!(wait_for(&host, &two.program_id, State::Error).exit.unwrap().code, Some(4));
    engine.set_mute(false);
    let again = until_attempt(&host, &one.program_id, 1);
    assert_eq!(again.container_id, one.container_id);
}

#[test]
fn a_silent_one_that_ends_or_that_a_reboot_takes_is_known_to() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (ends, rebooted) = (deploy(&host, new_program()), deploy(&host, new_program()));
    engine.set_mute(true);
    until_silent(&host, &ends.program_id);
    until_silent(&host, &rebooted.program_id);
    assert!(engine.exit(&ends.program_id, 7, "oh\n"));
    let failed = wait_for(&host, &ends.program_id, State::Error);
    assert_eq!(failed.exit.unwrap().code, Some(7));
    drop(host);
    engine.forget_containers();
    engine.set_mute(false);
    let host = open(dir.path(), &engine);
    until_attempt(&host, &rebooted.program_id, 2);
    assert_eq!(engine.running(), 1);
}
