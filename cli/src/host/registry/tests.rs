use std::collections::BTreeMap;

use super::*;
use crate::host::config::Limits;
use crate::host::request::NetworkMode;
use crate::program::{RestartPolicy, reduce};

fn program(unique: u32, name: &str) -> Registered {
    let id = format!("alice-build-0123456789ab-{unique:08x}");
    let program_id: ProgramId = id.parse().unwrap();
    let policy = RestartPolicy::default();
    let state = ProgramState::new(program_id.clone(), policy);
    let meta = Meta {
        program_id,
        name: Some(name.to_owned()),
        env: BTreeMap::from([("TOKEN".into(), "canary".into())]),
        limits: Limits::default(),
        policy,
        network: NetworkMode::Bridge,
        port: 19_000 + u16::try_from(unique).unwrap(),
        health: crate::host::Health::default(),
        created_at: 5,
        takeover: None,
    };
    Registered { meta, state, updated_at: Timestamp(5) }
}

fn feed(registry: &Registry, state: &ProgramState, event: &Event, now: Millis) -> ProgramState {
    let after = reduce(state.clone(), event, now);
    registry.record(state, event, &after, now).unwrap();
    after.state
}

#[test]
fn what_is_recorded_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    let registry = Registry::open(&path).unwrap();
    let one = program(1, "one");
    registry.insert(&one).unwrap();
    let state = feed(&registry, &one.state, &Event::UserStartRequested, 9);
    // No goodbye: as after a sudden end, what was acknowledged is in the files.
    std::mem::forget(registry);
    let registry = Registry::open(&path).unwrap();
    let loaded = registry.load().unwrap();
    assert_eq!(loaded, [Registered { state, updated_at: Timestamp(9), ..one.clone() }]);
    let events = registry.events(&one.meta.program_id, 0, 10).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].event.as_str(), events[0].to), ("UserStartRequested", State::Building));
}

#[test]
fn names_and_ports_are_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&dir.path().join("registry.db")).unwrap();
    registry.insert(&program(1, "one")).unwrap();
    assert!(registry.insert(&program(2, "one")).is_err());
    let mut same_port = program(3, "three");
    same_port.meta.port = 19_001;
    assert!(registry.insert(&same_port).is_err());
    assert_eq!(registry.load().unwrap().len(), 1);
}

#[test]
fn history_is_bounded_and_ends_with_its_program() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&dir.path().join("registry.db")).unwrap();
    // The rule is the same with a synchronous disk; only the test would wait for it.
    registry.lock().pragma_update(None, "synchronous", "OFF").unwrap();
    let one = program(1, "one");
    registry.insert(&one).unwrap();
    let mut state = one.state.clone();
    for turn in 0..600 {
        state = feed(&registry, &state, &Event::UserStartRequested, turn);
        state = feed(&registry, &state, &Event::UserStopRequested, turn);
    }
    let id = &one.meta.program_id;
    let events = registry.events(id, 0, usize::MAX).unwrap();
    assert_eq!(events.len(), 1_000);
    assert_eq!(events[999].seq, 1_200);
    let page = registry.events(id, 1_190, 3).unwrap();
    assert_eq!(page.iter().map(|e| e.seq).collect::<Vec<_>>(), [1_191, 1_192, 1_193]);
    let state = feed(&registry, &state, &Event::UserDeleteRequested { purge: true }, 0);
    feed(&registry, &state, &Event::RemoveFinished { error: None }, 0);
    assert_eq!(registry.load().unwrap(), []);
    assert_eq!(registry.events(id, 0, 10).unwrap(), []);
}

#[test]
fn a_damaged_registry_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    fs::write(&path, "this is no database, and long enough to be looked at".repeat(100)).unwrap();
    let registry = Registry::open(&path).unwrap();
    assert_eq!(registry.load().unwrap(), []);
    let kept = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    assert!(kept.map(|e| e.file_name()).any(|n| n.to_string_lossy().contains(".damaged-")));
}

#[test]
fn a_registry_of_a_later_layout_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    drop(Registry::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Registry::open(&path).unwrap_err().to_string();
    assert!(error.contains("layout 99"), "{error}");
}

#[test]
fn only_the_host_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("registry.db");
    let registry = Registry::open(&path).unwrap();
    registry.insert(&program(1, "one")).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
