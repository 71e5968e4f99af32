//! A host that ends at a bad moment, an engine that does not answer, and the next host.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hersh_cli::host::compose::{GenerateOptions, generate};
use hersh_cli::host::engine::{Engine, FakeEngine};
use hersh_cli::host::{Host, HostError, ListFilter, NetworkMode, ProgramView};
use hersh_cli::program::{Attempt, State};

use crate::support::{PATIENCE, config, deploy, new_program, open, wait_for};

/// What a container of this program and start looks like.
fn plant(data: &Path, engine: &FakeEngine, program: &ProgramView, attempt: u32) {
    // As the host sees it: without links.
    let data = &data.canonicalize().unwrap();
    let host_id = &std::fs::read_to_string(data.join("host.id")).unwrap();
    let image = format!("sha256:{}", "7".repeat(64)).parse().unwrap();
    let image = program.image_id.parse().unwrap_or(image);
    let own = data.join("programs").join(program.program_id.as_str());
    let spec = generate(&GenerateOptions {
        program_id: &program.program_id,
        attempt: Attempt(attempt),
        host_id,
        image: &image,
        runtime: hersh_cli::host::Runtime::Runsc,
        network: NetworkMode::Bridge,
        bridge: &format!("hersh-{host_id}"),
        port: program.port.unwrap(),
        limits: program.limits,
        env: &BTreeMap::new(),
        state: &own.join("state"),
        resolv_conf: &data.join("resolv.conf"),
        empty: &data.join("empty"),
        env_file: &own.join("runtime/env"),
        stop_grace_s: 10,
    });
    engine.plant(&spec).unwrap();
}

fn ids(engine: &FakeEngine) -> Vec<String> {
    engine.list().unwrap().iter().map(|one| one.container_id.to_string()).collect()
}

#[test]
fn a_running_program_is_adopted_as_it_is() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let before = deploy(&host, new_program());
    drop(host);
    assert_eq!(engine.running(), 1, "programs keep running when their host ends");
    let host = open(dir.path(), &engine);
    assert_eq!(host.get(&before.program_id).unwrap(), before);
    assert_eq!(ids(&engine), [before.container_id]);
    host.stop(&before.program_id).unwrap();
    wait_for(&host, &before.program_id, State::Stopped);
    assert_eq!(engine.running(), 0);
}

#[test]
fn containers_that_a_reboot_took_are_brought_back() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (runs, stopped) = (deploy(&host, new_program()), deploy(&host, new_program()));
    host.stop(&stopped.program_id).unwrap();
    wait_for(&host, &stopped.program_id, State::Stopped);
    drop(host);
    engine.forget_containers();
    let host = open(dir.path(), &engine);
    let back = host
        .wait(&runs.program_id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    assert_eq!(back.unwrap().port, runs.port);
    assert_eq!(host.get(&stopped.program_id).unwrap().state, State::Stopped);
    assert_eq!(engine.running(), 1);
}

#[test]
fn an_end_while_nobody_looked_is_told() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    drop(host);
    assert!(engine.exit(&id, 9, "alone\n"));
    let host = open(dir.path(), &engine);
    let failed = wait_for(&host, &id, State::Error);
    assert_eq!(failed.exit.unwrap().code, Some(9));
}

/// Opens a host, lets a program come as far as this call, and ends the host there.
fn ended_during(call: &'static str, dir: &Path, engine: &FakeEngine) -> ProgramView {
    let host = open(dir, engine);
    engine.hold(call);
    let id = host.create(new_program()).unwrap().program_id;
    host.start(&id).unwrap();
    let state = if call == "build" { State::Building } else { State::Starting };
    let program = wait_for(&host, &id, state);
    drop(host);
    engine.release(call);
    program
}

#[test]
fn a_build_that_was_cut_short_is_done_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let id = ended_during("build", dir.path(), &engine).program_id;
    let host = open(dir.path(), &engine);
    assert_eq!(wait_for(&host, &id, State::Ready).attempt, Attempt(1));
    assert_eq!(engine.running(), 1);
}

#[test]
fn a_start_that_was_cut_short_is_done_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let id = ended_during("run", dir.path(), &engine).program_id;
    let host = open(dir.path(), &engine);
    assert_eq!(wait_for(&host, &id, State::Ready).attempt, Attempt(1));
    assert_eq!(engine.running(), 1);
}

#[test]
fn a_start_whose_answer_was_lost_is_found() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let program = ended_during("run", dir.path(), &engine);
    // The engine had made the container when the host was killed.
    plant(dir.path(), &engine, &program, 1);
    let planted = ids(&engine);
    let host = open(dir.path(), &engine);
    let ready = wait_for(&host, &program.program_id, State::Ready);
    assert_eq!(vec![ready.container_id], planted, "not started a second time");
}

#[test]
fn strangers_with_the_hosts_label_go() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let program = deploy(&host, new_program());
    let mut nobody = program.clone();
    nobody.program_id = "bob-build-0123456789ab-00000001".parse().unwrap();
    plant(dir.path(), &engine, &nobody, 1);
    drop(host);
    assert_eq!(engine.running(), 2);
    let _host = open(dir.path(), &engine);
    let own = [program.container_id.clone()];
    assert_eq!(ids(&engine), own);
    // One of the program itself, of a start that is over, is seen while the host runs.
    plant(dir.path(), &engine, &program, 7);
    assert!(engine.wait_containers(1, PATIENCE), "{:?}", ids(&engine));
    assert_eq!(ids(&engine), own);
}

#[test]
fn strangers_are_found_while_nothing_runs() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let known = host.create(new_program()).unwrap();
    let mut nobody = known.clone();
    nobody.program_id = "bob-build-0123456789ab-00000001".parse().unwrap();
    plant(dir.path(), &engine, &known, 1);
    plant(dir.path(), &engine, &nobody, 1);
    assert!(engine.wait_running(0, PATIENCE), "{:?}", ids(&engine));
    assert_eq!(host.get(&known.program_id).unwrap().state, State::Created);
}

#[test]
fn a_removal_that_failed_is_done_when_it_is_asked_for_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    engine.fail("stop", "the engine is stuck");
    host.delete(&id, true).unwrap();
    let failed = wait_for(&host, &id, State::Error);
    assert!(failed.error_msg.contains("the engine is stuck"), "{}", failed.error_msg);
    assert_eq!(failed.desired, "Purged");
    assert!(matches!(host.start(&id), Err(HostError::Conflict { .. })));
    host.delete(&id, true).unwrap();
    assert!(matches!(host.wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    assert_eq!(engine.running(), 0);
}

#[test]
fn a_removal_goes_on_with_the_next_host() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    engine.hold("stop");
    host.delete(&id, false).unwrap();
    wait_for(&host, &id, State::Stopping);
    drop(host);
    engine.release("stop");
    let host = open(dir.path(), &engine);
    assert!(matches!(host.wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    assert_eq!((engine.running(), engine.image_count()), (0, 0));
}

#[test]
fn an_engine_that_does_not_answer_is_words_and_not_the_end() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let program = deploy(&host, new_program());
    let id = &program.program_id;
    drop(host);
    engine.set_down(true);
    let host = open(dir.path(), &engine);
    let report = host.engine_report();
    assert!(report.warnings[0].contains("does not answer"), "{:?}", report.warnings);
    assert_eq!(host.get(id).unwrap().state, State::Ready, "nobody knows better");
    let other = host.create(new_program()).unwrap().program_id;
    host.start(&other).unwrap();
    let failed = wait_for(&host, &other, State::Error);
    assert!(failed.error_msg.contains("does not answer"), "{}", failed.error_msg);
    // When the engine is back, all is looked at again.
    assert!(engine.exit(id, 1, ""));
    engine.set_down(false);
    wait_for(&host, id, State::Error);
    assert_eq!(host.engine_report().warnings, [""; 0]);
    host.start(&other).unwrap();
    wait_for(&host, &other, State::Ready);
}

#[test]
fn a_second_host_on_the_folder_is_refused() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let _host = open(dir.path(), &engine);
    let second = Host::open_with(config(dir.path()), |_, _, _| Arc::new(FakeEngine::new()));
    assert!(matches!(second.err(), Some(HostError::Locked { .. })));
}

#[test]
fn a_folder_that_cannot_be_read_keeps_no_other_from_running() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (one, two) = (deploy(&host, new_program()), deploy(&host, new_program()));
    drop(host);
    std::fs::remove_file(dir.path().join("registry.db")).unwrap();
    let broken = dir.path().join("programs").join(one.program_id.as_str());
    std::fs::write(broken.join("meta/program.json"), "{").unwrap();
    let host = open(dir.path(), &engine);
    assert_eq!(host.list(&ListFilter::default()).count, 1);
    let back = host.wait(&two.program_id, PATIENCE, |p| !p.container_id.is_empty()).unwrap();
    assert_eq!((back.state, back.container_id), (State::Ready, two.container_id));
    let warnings = host.engine_report().warnings.join("\n");
    assert!(warnings.contains(one.program_id.as_str()), "{warnings}");
}
