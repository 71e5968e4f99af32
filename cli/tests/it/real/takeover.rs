//! A new build under gVisor takes over from the old one.
use hersh_cli::host::{NewProgram, ProgramView};
use hersh_cli::program::State;

use super::{ask, containers, rig, static_program};
use crate::support::{PATIENCE, deploy};

fn version(number: u32) -> NewProgram {
    let mut new = static_program(&format!("LABEL version={number}"));
    new.name = Some("counter".to_owned());
    new
}

#[test]
fn a_new_build_is_tried_with_a_copy_of_the_state_and_begins_with_the_state() {
    let Some(rig) = rig(19_290..=19_299) else { return };
    let host = rig.host();
    let old = deploy(host, version(1));
    assert_eq!(ask(&old, "write/state/mark"), "written");
    let id = host.create(version(2)).unwrap().program_id;
    host.start(&id).unwrap();
    let over = |view: &ProgramView| {
        (view.state == State::Ready && view.replaces.is_none()) || view.state == State::Error
    };
    let new = host.wait(&id, PATIENCE, over).unwrap();
    assert_eq!((new.state, new.port), (State::Ready, old.port), "{new:#?}");
    // One run of the old one, and one of its own: that of the trial has left no trace.
    assert_eq!(
        (ask(&new, "read/state/runs"), ask(&new, "read/state/mark")),
        ("2".into(), "x".into())
    );
    let log = |name: &str| {
        let path = rig.dir.path().join("programs").join(id.as_str()).join("logs").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    assert!(log("build-1.log").contains("hersh: it is tried with a copy of the /state of"));
    let trial = log("run-1.log");
    assert!(trial.contains("trial 1\nrun 2\n"), "it had a state to prove itself with: {trial}");
    let now = host.logs(&id, 100).unwrap().logs;
    assert!(now.contains("trial \nrun 2\n"), "{now}");
    assert_eq!(containers(&rig), 1);
}
