//! What goes wrong, and what is said and left then.
use hersh_cli::host::HostError;
use hersh_cli::host::engine::Engine;
use hersh_cli::program::{Attempt, RestartMode, State};

use super::{ask, containers, rig, static_program};
use crate::support::{PATIENCE, deploy, read_all, read_until, wait_for};

#[test]
fn what_a_program_wrote_survives_a_restart_and_its_deletion() {
    let Some(rig) = rig(19_200..=19_209) else { return };
    let program = deploy(rig.host(), static_program(""));
    let id = &program.program_id;
    assert_eq!(ask(&program, "read/state/runs"), "1");
    rig.host().restart(id).unwrap();
    let again =
        rig.host().wait(id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    let again = again.unwrap();
    assert_eq!((again.state, again.port), (State::Ready, program.port), "{}", again.error_msg);
    assert_eq!(ask(&again, "read/state/runs"), "2");
    rig.host().stop(id).unwrap();
    wait_for(rig.host(), id, State::Stopped);
    assert_eq!(containers(&rig), 0);
    assert!(rig.host().logs(id, 100).unwrap().logs.contains("run 2"), "kept when it went");
    rig.host().delete(id, false).unwrap();
    assert!(matches!(rig.host().wait(id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    let aside: Vec<_> = std::fs::read_dir(rig.dir.path().join("deleted")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    let runs = aside[0].as_ref().unwrap().path().join("runs");
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "2");
}

#[test]
fn a_build_that_fails_says_so_in_its_error_and_its_log() {
    let Some(rig) = rig(19_210..=19_219) else { return };
    let id = rig.host().create(static_program("RUN [\"/program\", \"fail\"]")).unwrap().program_id;
    rig.host().start(&id).unwrap();
    let failed = wait_for(rig.host(), &id, State::Error);
    assert!(failed.error_msg.starts_with("the build failed"), "{}", failed.error_msg);
    assert!(failed.error_msg.contains("nothing works"), "{}", failed.error_msg);
    let log = rig.host().build_log(&id).unwrap().log;
    assert!(log.contains("FROM scratch") && log.contains("nothing works"), "{log}");
}

#[test]
fn a_stop_cancels_a_build_that_runs() {
    let Some(rig) = rig(19_220..=19_229) else { return };
    let id = rig.host().create(static_program("RUN [\"/program\", \"sleep\"]")).unwrap().program_id;
    rig.host().start(&id).unwrap();
    let mut log = rig.host().follow_build_log(&id).unwrap();
    let seen = read_until(&mut log, |text| text.contains("sleeping"));
    assert!(seen.contains("sleeping"), "the build ended: {seen}");
    assert_eq!(rig.host().stop(&id).unwrap().state, State::Stopped);
    read_all(&mut log);
    // The build is over for the engine, too: a removal behind it in the lane ends.
    rig.host().delete(&id, true).unwrap();
    assert!(matches!(rig.host().wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
}

#[test]
fn a_program_that_ends_at_once_never_becomes_ready() {
    let Some(rig) = rig(19_230..=19_239) else { return };
    let mut new = static_program("CMD [\"fail\"]");
    new.env.insert("TOKEN".into(), "x".into());
    let id = rig.host().create(new).unwrap().program_id;
    rig.host().start(&id).unwrap();
    let failed = wait_for(rig.host(), &id, State::Error);
    let words = "the start failed: the program exited with code 7; its last lines: nothing works";
    assert_eq!(failed.error_msg, words);
    assert_eq!(containers(&rig), 0);
}

#[test]
fn an_end_is_noticed_and_made_good_where_the_owner_asked_for_it() {
    let Some(rig) = rig(19_240..=19_249) else { return };
    let mut new = static_program("");
    new.restart = RestartMode::OnFailure;
    let program = deploy(rig.host(), new);
    let id = &program.program_id;
    ask(&program, "exit/5");
    let again =
        rig.host().wait(id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    let again = again.unwrap();
    assert_eq!((again.state, again.restarts), (State::Ready, 1), "{}", again.error_msg);
    assert_eq!(again.exit.unwrap().code, Some(5));
    assert_eq!(containers(&rig), 1);
}

#[test]
fn a_program_gets_no_more_memory_than_it_may() {
    let Some(rig) = rig(19_260..=19_269) else { return };
    let mut new = static_program("");
    new.limits.memory_bytes = Some(64 << 20);
    let program = deploy(rig.host(), new);
    // Nobody answers any more.
    assert_eq!(ask(&program, "hog"), "");
    let failed = wait_for(rig.host(), &program.program_id, State::Error);
    assert!(failed.exit.unwrap().out_of_memory, "{}", failed.error_msg);
    assert!(failed.error_msg.contains("for want of memory"), "{}", failed.error_msg);
}

#[test]
fn logs_are_followed_to_the_end() {
    let Some(rig) = rig(19_250..=19_259) else { return };
    let program = deploy(rig.host(), static_program(""));
    let id = &program.program_id;
    let mut log = rig.host().follow_logs(id, 100).unwrap();
    ask(&program, "exit/3");
    let text = read_all(&mut log);
    assert!(text.starts_with("token") && text.ends_with("leaving with 3\n"), "{text}");
    let failed = wait_for(rig.host(), id, State::Error);
    assert!(failed.error_msg.contains("exited with code 3"), "{}", failed.error_msg);
    let stranger = "0123456789ab".parse().unwrap();
    assert_eq!(rig.engine().inspect(&stranger).unwrap(), None);
    rig.engine().stop(&stranger, std::time::Duration::from_secs(1)).unwrap();
}
