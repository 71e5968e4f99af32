//! The host on an engine in memory.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hersh_cli::host::engine::FakeEngine;
use hersh_cli::host::{Health, Host, HostConfig, HostError, ListFilter, NetworkMode};
use hersh_cli::program::{Attempt, RestartMode, State};

use crate::support::{PATIENCE, config, deploy, new_program, open, read_all, read_until, wait_for};

#[test]
fn a_program_is_created_started_stopped_and_deleted() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let created = host.create(new_program()).unwrap();
    assert_eq!(created.state, State::Created);
    assert_eq!(created.proxy_url, format!("http://localhost:{}", created.port.unwrap()));
    let id = created.program_id;
    assert!(matches!(host.stop(&id), Err(HostError::Conflict { state: State::Created, .. })));
    assert!(matches!(host.address(&id), Err(HostError::NotReady { .. })));

    assert_eq!(host.start(&id).unwrap().state, State::Building);
    let ready = wait_for(&host, &id, State::Ready);
    assert_eq!(host.address(&id).unwrap().port(), created.port.unwrap());
    assert!(matches!(host.start(&id), Err(HostError::Conflict { .. })));
    assert_eq!(host.logs(&id, 10).unwrap().logs, "attempt 1 is up\n");
    assert!(host.build_log(&id).unwrap().log.ends_with("built\n"));
    let followed = read_all(&mut host.follow_build_log(&id).unwrap());
    assert_eq!(followed, host.build_log(&id).unwrap().log);

    host.restart(&id).unwrap();
    let again = host.wait(&id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    assert_ne!(again.unwrap().container_id, ready.container_id);
    host.stop(&id).unwrap();
    wait_for(&host, &id, State::Stopped);
    assert_eq!(host.logs(&id, 10).unwrap().logs, "attempt 2 is up\ngoodbye\n", "to its last line");
    let events = host.events(&id, 0, 100).unwrap();
    let names: Vec<_> = events.events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names[..2], ["UserStartRequested", "BuildFinished"]);
    assert_eq!(names.last(), Some(&"StopFinished"));

    host.delete(&id, false).unwrap();
    assert!(matches!(host.wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    assert_eq!((engine.running(), engine.image_count()), (0, 0));
    assert_eq!(host.list(&ListFilter::default()).count, 0);
    assert_eq!(std::fs::read_dir(dir.path().join("deleted")).unwrap().count(), 1);
}

#[test]
fn a_hostile_source_name_is_refused_with_nothing_written() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(&dir.path().join("a/data"), &engine);
    let before = tree(dir.path());
    let mut hostile = new_program();
    hostile.files.insert("../../x".into(), b"x".to_vec());
    let error = host.create(hostile).unwrap_err();
    assert!(matches!(&error, HostError::Source(source) if source.file == "../../x"), "{error}");
    assert_eq!(tree(dir.path()), before);
    assert_eq!(host.list(&ListFilter::default()).count, 0);
}

/// All names under a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(tree(&path));
        }
        names.push(path);
    }
    names.sort();
    names
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let named = |name: &str| {
        let mut new = new_program();
        new.name = Some(name.to_owned());
        new
    };
    for name in ["", "Prices", "-x", "1x", "a_b", &"a".repeat(64)] {
        let error = host.create(named(name)).unwrap_err();
        assert!(matches!(&error, HostError::Invalid { field, .. } if field == "name"), "{error}");
    }
    let healthy = |path: &str, time: Option<u64>| {
        let mut new = new_program();
        new.health = Health { path: Some(path.to_owned()), ready_timeout_ms: time };
        new
    };
    for (path, time) in [("ok", None), ("/a b", None), ("/\r\nX: y", None), ("/ok", Some(0))] {
        let error = host.create(healthy(path, time)).unwrap_err();
        assert!(matches!(&error, HostError::Invalid { field, .. } if field.starts_with("health.")));
    }
    let mut alone = healthy("/ok", None);
    alone.network = NetworkMode::None;
    assert!(matches!(host.create(alone), Err(HostError::Invalid { .. })));
    let mut greedy = new_program();
    greedy.limits.memory_bytes = Some(u64::MAX);
    assert!(matches!(host.create(greedy), Err(HostError::Invalid { .. })));
    let mut secret = new_program();
    secret.env.insert("TOKEN".into(), "canary\n".into());
    let error = host.create(secret).unwrap_err().to_string();
    assert!(error.contains("TOKEN") && !error.contains("canary"), "{error}");
    let unknown = "bob-build-0123456789ab-deadbeef".parse().unwrap();
    assert!(matches!(host.start(&unknown), Err(HostError::NotFound(_))));
}

#[test]
fn failures_of_the_engine_are_words_on_the_program() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    for (call, words) in
        [("build", "no space left on device"), ("run", "port is already allocated")]
    {
        engine.fail(call, words);
        host.start(&id).unwrap();
        let failed = wait_for(&host, &id, State::Error);
        assert!(failed.error_msg.contains(words), "{}", failed.error_msg);
        assert_eq!(engine.running(), 0);
    }
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
}

#[test]
fn a_container_that_breaks_the_contract_is_removed() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    engine.lie(|inspect| inspect["HostConfig"]["Runtime"] = "runc".into());
    host.start(&id).unwrap();
    let failed = wait_for(&host, &id, State::Error);
    let words =
        "the engine did not keep the contract: the runtime is \"runc\" and must be \"runsc\"";
    assert!(failed.error_msg.contains(words), "{}", failed.error_msg);
    assert_eq!(engine.running(), 0);
}

#[test]
fn a_stop_during_a_build_cancels_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    engine.hold("build");
    host.start(&id).unwrap();
    // The log shows that the build has begun; it ends because of the stop, and so does the log.
    let mut log = host.follow_build_log(&id).unwrap();
    assert!(read_until(&mut log, |text| text.contains("building")).starts_with("building"));
    assert_eq!(host.stop(&id).unwrap().state, State::Stopped);
    read_all(&mut log);
    engine.release("build");
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
}

#[test]
fn an_end_is_noticed_and_told_with_the_last_words() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    assert!(engine.exit(&id, 3, "out of luck\n"));
    let failed = wait_for(&host, &id, State::Error);
    assert_eq!(failed.exit.unwrap().code, Some(3));
    let words = "the program exited with code 3; its last lines: attempt 1 is up | out of luck";
    assert_eq!(failed.error_msg, words);
    assert!(host.logs(&id, 1).unwrap().logs.contains("out of luck"));
}

#[test]
fn an_end_is_made_good_where_the_owner_asked_for_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let mut new = new_program();
    new.restart = RestartMode::OnFailure;
    let id = deploy(&host, new).program_id;
    assert!(engine.exit(&id, 1, "oh\n"));
    let again = host.wait(&id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    let again = again.unwrap();
    assert_eq!((again.state, again.restarts), (State::Ready, 1));
}

#[test]
fn an_end_is_made_good_although_the_engine_stumbles_meanwhile() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let mut new = new_program();
    new.restart = RestartMode::Always;
    let id = deploy(&host, new).program_id;
    // What is left of the container cannot be removed, neither at once nor when the restart is due.
    for _ in 0..2 {
        engine.fail("remove", "the engine is out of sorts");
    }
    assert!(engine.exit(&id, 1, "oh\n"));
    let again = host.wait(&id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    assert_eq!(again.unwrap().state, State::Ready);
    assert!(engine.wait_containers(1, PATIENCE));
}

#[test]
fn a_program_without_a_network_is_ready_and_not_reachable() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let mut new = new_program();
    new.network = NetworkMode::None;
    engine.set_mute(true);
    let ready = deploy(&host, new);
    assert_eq!((ready.proxy_url.as_str(), ready.port), ("", None));
    assert!(matches!(host.address(&ready.program_id), Err(HostError::NoNetwork(_))));
}

#[test]
fn programs_are_listed_in_pages() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    for user in ["alice", "bob", "alice", "bob", "alice"] {
        let mut new = new_program();
        new.user_id = user.parse().unwrap();
        host.create(new).unwrap();
    }
    let mut filter = ListFilter { user: Some("alice".parse().unwrap()), ..Default::default() };
    assert_eq!(host.list(&filter).count, 3);
    filter.limit = Some(2);
    let first = host.list(&filter);
    filter.cursor.clone_from(&first.next);
    let second = host.list(&filter);
    assert_eq!((first.count, second.count, second.next), (2, 1, None));
    assert!(first.programs[1].program_id < second.programs[0].program_id);
    filter = ListFilter { state: Some(State::Ready), ..Default::default() };
    assert_eq!(host.list(&filter).count, 0);
}

#[test]
fn a_port_that_somebody_else_took_is_replaced_and_the_new_one_remembered() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let created = host.create(new_program()).unwrap();
    let (id, port) = (created.program_id, created.port.unwrap());
    engine.take_port(port);
    host.start(&id).unwrap();
    let ready = wait_for(&host, &id, State::Ready);
    assert_ne!(ready.port, Some(port), "{}", ready.error_msg);
    host.stop(&id).unwrap();
    wait_for(&host, &id, State::Stopped);
    drop(host);
    assert_eq!(open(dir.path(), &engine).get(&id).unwrap().port, ready.port);
}

#[test]
fn a_network_without_walls_is_refused_unless_it_is_allowed_by_name() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    engine.set_open(Some("only root may"));
    let mut config = config(dir.path());
    let open = |config: &HostConfig| {
        Host::open_with(config.clone(), |_, _, _| Arc::new(engine.clone())).unwrap()
    };
    let host = open(&config);
    let id = host.create(new_program()).unwrap().program_id;
    host.start(&id).unwrap();
    let failed = wait_for(&host, &id, State::Error).error_msg;
    assert!(
        failed.contains("only root may") && failed.contains("--allow-open-network"),
        "{failed}"
    );
    assert_eq!(engine.running(), 0);
    let is_said = || host.engine_report().warnings.iter().any(|words| failed.contains(words));
    assert!(is_said(), "{:?}: {failed}", host.engine_report().warnings);

    // One that has no network is behind a wall of its own.
    let mut alone = new_program();
    alone.network = NetworkMode::None;
    let alone = host.create(alone).unwrap().program_id;
    host.start(&alone).unwrap();
    wait_for(&host, &alone, State::Ready);

    // Closed meanwhile: that is found out without a new host.
    engine.set_open(None);
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
    assert!(!is_said());
    host.stop(&id).unwrap();
    wait_for(&host, &id, State::Stopped);
    host.shutdown();
    drop(host);

    engine.set_open(Some("only root may"));
    config.allow_open_network = true;
    let host = open(&config);
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
    let warnings = host.engine_report().warnings;
    assert!(warnings.iter().any(|words| words.starts_with("programs can reach")), "{warnings:?}");
}

#[test]
fn a_limit_that_the_engine_cannot_keep_is_refused_by_name() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    engine.set_cannot_limit(vec!["processes"]);
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    host.start(&id).unwrap();
    let failed = wait_for(&host, &id, State::Error);
    assert!(failed.error_msg.contains("cannot limit processes"), "{}", failed.error_msg);
    assert_eq!(engine.running(), 0);
}
