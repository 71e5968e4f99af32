//! A new build of a named program takes over from the old one, on an engine in memory.
use std::path::Path;

use hersh_cli::host::engine::{Engine, FakeEngine};
use hersh_cli::host::{Host, HostError, ListFilter, NewProgram, ProgramView};
use hersh_cli::program::{ProgramId, State};

use crate::support::{PATIENCE, deploy, new_program, open, wait_for};

fn named(name: &str, content: &str) -> NewProgram {
    let mut new = new_program();
    new.name = Some(name.to_owned());
    new.files.insert("src/main.py".into(), content.as_bytes().to_vec());
    new
}

/// What the program of this id keeps.
fn state(data: &Path, id: &ProgramId) -> std::path::PathBuf {
    data.join("programs").join(id.as_str()).join("state/kept")
}

fn settled(host: &Host, id: &ProgramId) -> ProgramView {
    let ended = |view: &ProgramView| {
        view.replaces.is_none() || matches!(view.state, State::Error | State::Created)
    };
    host.wait(id, PATIENCE, ended).unwrap()
}

/// The one program of this name, and nothing besides on the engine.
fn the_only(host: &Host, engine: &FakeEngine, name: &str) -> ProgramView {
    let programs = host.list(&ListFilter::default()).programs;
    let mut named: Vec<_> =
        programs.into_iter().filter(|one| one.name.as_deref() == Some(name)).collect();
    assert_eq!(named.len(), 1, "{named:#?}");
    let ids: Vec<_> = engine.list().unwrap().into_iter().map(|one| one.program_id).collect();
    let program = named.remove(0);
    assert_eq!(ids, [Some(program.program_id.clone())]);
    program
}

#[test]
fn a_new_build_takes_over_state_name_and_port() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    std::fs::write(state(dir.path(), &old.program_id), "yes").unwrap();
    let new = host.create(named("prices", "2")).unwrap();
    assert_eq!((new.name.as_ref(), new.replaces.as_ref()), (None, Some(&old.program_id)));
    assert_ne!(new.port, old.port);
    host.start(&new.program_id).unwrap();
    let ready = host.wait(&new.program_id, PATIENCE, |view| view.state == State::Ready).unwrap();
    assert_eq!((ready.name.as_deref(), ready.port), (Some("prices"), old.port), "{ready:#?}");
    assert_eq!((ready.state, ready.replaces), (State::Ready, None));
    assert_eq!(std::fs::read_to_string(state(dir.path(), &new.program_id)).unwrap(), "yes");
    assert!(matches!(host.get(&old.program_id), Err(HostError::NotFound(_))));
    assert_eq!(the_only(&host, &engine, "prices").program_id, new.program_id);
    // And the next host knows it so.
    drop(host);
    let host = open(dir.path(), &engine);
    let again = the_only(&host, &engine, "prices");
    assert_eq!((again.state, again.port), (State::Ready, old.port));
}

/// What the container of this program has in its environment.
fn environment(engine: &FakeEngine, id: &ProgramId) -> String {
    let listed = engine.list().unwrap();
    let own = listed.iter().find(|one| one.program_id.as_ref() == Some(id)).unwrap();
    engine.inspect(&own.container_id).unwrap().unwrap()["Config"]["Env"].to_string()
}

#[test]
fn a_trial_has_a_copy_of_the_state_and_is_told_that_it_is_one() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    std::fs::write(state(dir.path(), &old.program_id), "yes").unwrap();
    let new = host.create(named("prices", "2")).unwrap();
    engine.hold("stop");
    host.start(&new.program_id).unwrap();
    // It has proved itself, and neither of the two is gone yet.
    let stopping = |view: &ProgramView| view.state == State::Stopping;
    host.wait(&old.program_id, PATIENCE, stopping).unwrap();
    assert!(environment(&engine, &new.program_id).contains("\"HERSH_TRIAL=1\""));
    assert!(!environment(&engine, &old.program_id).contains("HERSH_TRIAL"));
    let kept = |id| std::fs::read_to_string(state(dir.path(), id)).unwrap();
    assert_eq!(kept(&new.program_id), "yes");
    std::fs::write(state(dir.path(), &new.program_id), "tried").unwrap();
    assert_eq!(kept(&old.program_id), "yes", "a copy, and not the same");
    let log = dir.path().join("programs").join(new.program_id.as_str()).join("logs/build-1.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.starts_with("hersh: it is tried with a copy of the /state of"), "{log}");
    engine.release("stop");
    let ready = settled(&host, &new.program_id);
    assert_eq!((ready.state, ready.name.as_deref()), (State::Ready, Some("prices")));
    assert_eq!(kept(&new.program_id), "yes", "what the trial wrote is gone");
    assert!(!environment(&engine, &new.program_id).contains("HERSH_TRIAL"));
    assert!(!host.build_log(&new.program_id).unwrap().log.contains("tried"));
}

#[test]
fn an_heir_whose_trial_is_under_way_serves_when_it_is_over() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    std::fs::write(state(dir.path(), &old.program_id), "yes").unwrap();
    let new = host.create(named("prices", "2")).unwrap();
    engine.hold("run");
    host.start(&new.program_id).unwrap();
    wait_for(&host, &new.program_id, State::Starting);
    host.delete(&old.program_id, true).unwrap();
    assert!(matches!(host.wait(&old.program_id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    engine.release("run");
    let heir = settled(&host, &new.program_id);
    assert_eq!((heir.state, heir.name.as_deref()), (State::Ready, Some("prices")));
    assert_eq!(heir.attempt.0, 2, "it was started anew");
    assert!(!environment(&engine, &new.program_id).contains("HERSH_TRIAL"));
    let kept = std::fs::read_to_string(state(dir.path(), &new.program_id)).unwrap();
    assert_eq!(kept, "yes", "it keeps what it was tried with");
    assert_eq!(the_only(&host, &engine, "prices").program_id, new.program_id);
}

#[test]
fn one_that_does_not_build_leaves_the_old_one_serving() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    let new = host.create(named("prices", "2")).unwrap();
    engine.fail("build", "no such base image");
    host.start(&new.program_id).unwrap();
    wait_for(&host, &new.program_id, State::Error);
    assert_eq!(host.get(&old.program_id).unwrap(), old);
    // Another one makes the failed one give way.
    let third = host.create(named("prices", "3")).unwrap();
    let gone = host.wait(&new.program_id, PATIENCE, |_| false);
    assert!(matches!(gone, Err(HostError::NotFound(_))), "{gone:?}");
    host.start(&third.program_id).unwrap();
    settled(&host, &third.program_id);
    assert_eq!(the_only(&host, &engine, "prices").program_id, third.program_id);
}

#[test]
fn one_that_is_not_ready_with_the_old_state_gives_everything_back() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let mut config = crate::support::config(dir.path());
    config.ready_timeout = std::time::Duration::from_millis(300);
    let host = Host::open_with(config, |_, _, _| std::sync::Arc::new(engine.clone())).unwrap();
    let old = deploy(&host, named("prices", "1"));
    std::fs::write(state(dir.path(), &old.program_id), "yes").unwrap();
    // Beside the old one it answers; with the old one's port, and so its state, it never does.
    engine.set_mute_on(old.port.unwrap(), true);
    let new = host.create(named("prices", "2")).unwrap();
    host.start(&new.program_id).unwrap();
    let returned = |view: &ProgramView| view.attempt.0 == 2 && view.state == State::Stopping;
    host.wait(&new.program_id, PATIENCE, |view| view.replaces.is_none() || returned(view)).unwrap();
    engine.set_mute_on(old.port.unwrap(), false);
    let failed = host.wait(&new.program_id, PATIENCE, |view| view.replaces.is_none()).unwrap();
    assert_eq!((failed.state, failed.name.as_ref()), (State::Stopped, None), "{failed:#?}");
    assert!(failed.error_msg.contains("did not answer"), "{}", failed.error_msg);
    let back = wait_for(&host, &old.program_id, State::Ready);
    assert_eq!((back.name.as_deref(), back.port), (Some("prices"), old.port));
    assert_eq!(std::fs::read_to_string(state(dir.path(), &old.program_id)).unwrap(), "yes");
    assert_eq!(the_only(&host, &engine, "prices").program_id, old.program_id);
}

#[test]
fn nobody_touches_the_two_while_state_changes_hands() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    let new = host.create(named("prices", "2")).unwrap();
    engine.hold("stop");
    host.start(&new.program_id).unwrap();
    let stopping = |view: &ProgramView| view.state == State::Stopping;
    host.wait(&old.program_id, PATIENCE, stopping).unwrap();
    for id in [&old.program_id, &new.program_id] {
        let refused = host.delete(id, true).unwrap_err();
        assert!(matches!(&refused, HostError::Conflict { .. }), "{refused}");
    }
    let third = host.create(named("prices", "3")).unwrap_err();
    assert!(matches!(&third, HostError::Conflict { .. }), "{third}");
    engine.release("stop");
    settled(&host, &new.program_id);
    assert_eq!(the_only(&host, &engine, "prices").program_id, new.program_id);
}

#[test]
fn a_name_whose_program_goes_meanwhile_is_inherited() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    let new = host.create(named("prices", "2")).unwrap();
    host.delete(&old.program_id, true).unwrap();
    let heir = host.wait(&new.program_id, PATIENCE, |view| view.replaces.is_none()).unwrap();
    assert_eq!(heir.name.as_deref(), Some("prices"));
}

/// The host ends at each of the calls that a takeover makes of the engine, and the next one goes on.
#[test]
fn a_host_that_ends_at_any_call_leaves_exactly_one() {
    for call in ["build", "run", "inspect", "stop", "logs", "remove", "list", "remove_images"] {
        for nth in 0..3 {
            interrupted(call, nth);
        }
    }
}

fn interrupted(call: &'static str, nth: usize) {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let old = deploy(&host, named("prices", "1"));
    std::fs::write(state(dir.path(), &old.program_id), "yes").unwrap();
    let new = host.create(named("prices", "2")).unwrap();
    engine.hold_after(call, nth);
    host.start(&new.program_id).unwrap();
    engine.wait_held(call, std::time::Duration::from_millis(300));
    drop(host);
    engine.release(call);
    let host = open(dir.path(), &engine);
    settled(&host, &new.program_id);
    // What the last host was interrupted in is cleared away by the next one's checks.
    assert!(engine.wait_containers(1, PATIENCE), "{call} {nth}: {:?}", engine.list());
    let one = the_only(&host, &engine, "prices");
    assert_eq!((one.program_id.clone(), one.port), (new.program_id, old.port), "{call} {nth}");
    assert_eq!(wait_for(&host, &one.program_id, State::Ready).desired, "Ready", "{call} {nth}");
    let kept = std::fs::read_to_string(state(dir.path(), &one.program_id)).unwrap();
    assert_eq!(kept, "yes", "{call} {nth}");
    assert_eq!(host.list(&ListFilter::default()).count, 1, "{call} {nth}");
}
