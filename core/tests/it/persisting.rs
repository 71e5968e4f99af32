//! Context values that survive (spec 10.6).

use std::fs;
use std::path::Path;
use std::time::Duration;

use hersh::sim::Simulation;
use hersh::{Config, ManagedError, Persist, PersistWhen, StartError, State, Watcher};

fn counter(sim: &Simulation, path: &Path, when: PersistWhen) -> Watcher {
    let persist = Some(Persist { path: path.to_owned(), when });
    let watcher = sim.builder().config(Config { persist, ..Config::default() }).build().unwrap();
    watcher
        .manage("count", |message, ctx| {
            ctx.update_value("runs", |runs: Option<u64>| Ok(runs.unwrap_or(0) + 1))?;
            match message {
                Some(_) => Err(ManagedError::crash("on purpose")),
                None => Ok(()),
            }
        })
        .unwrap();
    watcher
}

fn runs(path: &Path) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).unwrap();
    json["values"]["runs"].as_u64()
}

#[test]
fn values_outlive_sessions_and_watchers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    let sim = Simulation::new(1);
    let watcher = counter(&sim, &path, PersistWhen::EachExecution);
    for session in 1..=3 {
        watcher.start().unwrap();
        sim.run_until_idle();
        assert_eq!(runs(&path), Some(session));
        watcher.stop().unwrap();
    }
    let other = counter(&sim, &path, PersistWhen::EachExecution);
    other.start().unwrap();
    sim.run_until_idle();
    assert_eq!(runs(&path), Some(4));
}

#[test]
fn what_a_crashing_execution_set_is_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    let sim = Simulation::new(1);
    let watcher = counter(&sim, &path, PersistWhen::EachExecution);
    watcher.start().unwrap();
    watcher.send_message("crash").unwrap();
    sim.run_until_idle();
    assert_eq!((watcher.state(), runs(&path)), (State::WaitRecover, Some(2)));
}

#[test]
fn at_stop_means_at_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    let sim = Simulation::new(1);
    let watcher = counter(&sim, &path, PersistWhen::AtStop);
    watcher.start().unwrap();
    sim.run_until_idle();
    assert_eq!(runs(&path), None);
    watcher.stop().unwrap();
    assert_eq!(runs(&path), Some(1));
}

#[test]
fn a_torn_file_stops_the_start_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    fs::write(&path, "{\"format\":\"hersh val").unwrap();
    let watcher = counter(&Simulation::new(1), &path, PersistWhen::EachExecution);
    assert!(matches!(watcher.start(), Err(StartError::Persist(_))));
    assert_eq!(watcher.state(), State::NotRun);
    assert_eq!(fs::read(&path).unwrap(), b"{\"format\":\"hersh val");
}

#[test]
fn values_that_cannot_be_written_make_the_execution_fail_and_are_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not yet").join("values.json");
    let sim = Simulation::new(1);
    let watcher = counter(&sim, &path, PersistWhen::EachExecution);
    watcher.start().unwrap();
    sim.run_until_idle();
    let error = watcher.stats().counters.last_error.unwrap();
    assert!(error.contains("could not write the values"), "{error}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    watcher.send_message("crash").unwrap();
    sim.advance(Duration::ZERO);
    assert_eq!(runs(&path), Some(2));
}
