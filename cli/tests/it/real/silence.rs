//! Programs under gVisor that stop answering although their containers run.
use std::thread;
use std::time::Duration;

use hersh_cli::host::{Host, ProgramView};
use hersh_cli::program::{Attempt, ProgramId, RestartMode, State};

use super::{Rig, ask, containers, docker, real_config, rig_with, static_program};
use crate::support::{PATIENCE, deploy};

/// A host that asks its programs at each look.
fn rig(ports: std::ops::RangeInclusive<u16>) -> Option<Rig> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = real_config(dir.path(), ports)?;
    config.health_every = Duration::ZERO;
    Some(rig_with(dir, config))
}

fn until(host: &Host, id: &ProgramId, wanted: impl Fn(&ProgramView) -> bool) -> ProgramView {
    let view = host.wait(id, PATIENCE, &wanted).unwrap();
    assert!(wanted(&view), "{view:#?}");
    view
}

fn is_silent(view: &ProgramView) -> bool {
    view.state == State::Starting && !view.container_id.is_empty()
}

#[test]
fn a_frozen_program_is_not_ready_until_it_thaws() {
    let Some(rig) = rig(19_270..=19_274) else { return };
    let host = rig.host();
    let (frozen, neighbour) = (deploy(host, static_program("")), deploy(host, static_program("")));
    docker(&["container", "pause", &frozen.container_id]);
    let silent = until(host, &frozen.program_id, is_silent);
    assert!(silent.error_msg.contains("has not answered"), "{}", silent.error_msg);
    let refused = host.address(&frozen.program_id).unwrap_err().to_string();
    assert!(refused.contains("Starting, not Ready: its WatcherAPI"), "{refused}");
    assert_eq!(ask(&neighbour, "read/state/runs"), "1");
    assert_eq!(host.get(&neighbour.program_id).unwrap(), neighbour);
    docker(&["container", "unpause", &frozen.container_id]);
    let again = until(host, &frozen.program_id, |view| view.state == State::Ready);
    assert_eq!((again.attempt, &again.container_id), (Attempt(1), &frozen.container_id));
    assert_eq!((again.error_msg.as_str(), containers(&rig)), ("", 2));
    assert_eq!(ask(&again, "read/state/runs"), "1", "it has never been away");
}

#[test]
fn a_program_that_answers_nobody_any_more_is_started_anew_where_its_owner_asked_for_it() {
    let Some(rig) = rig(19_275..=19_279) else { return };
    let host = rig.host();
    let neighbour = deploy(host, static_program(""));
    let mut new = static_program("");
    new.restart = RestartMode::OnFailure;
    let program = deploy(host, new);
    let hushed = program.clone();
    // Its only thread answers this, and nobody else, for longer than any test takes.
    let asker = thread::spawn(move || ask(&hushed, "hush/3600"));
    until(host, &program.program_id, is_silent);
    let failed = until(host, &program.program_id, |view| view.state == State::Error);
    assert!(failed.error_msg.contains(", and was stopped; its last lines:"), "{failed:#?}");
    assert!(failed.exit.unwrap().last_lines.iter().any(|line| line == "asked /hush/3600"));
    let back = |view: &ProgramView| view.state == State::Ready && view.attempt == Attempt(2);
    let again = until(host, &program.program_id, back);
    assert_eq!((again.restarts, again.port), (1, program.port));
    assert_eq!(ask(&again, "read/state/runs"), "2");
    assert_eq!(host.get(&neighbour.program_id).unwrap(), neighbour);
    assert_eq!(containers(&rig), 2);
    assert_eq!(asker.join().unwrap(), "", "its question went with its container");
}
