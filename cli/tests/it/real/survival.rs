//! A host that is killed, and the next one on the same folder.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hersh_cli::host::docker::Docker;
use hersh_cli::host::engine::Engine;
use hersh_cli::host::{Host, HostError, ListFilter, ProgramView};
use hersh_cli::program::{Attempt, ProgramId, State};

use super::{ask, containers, engine, real_config, rig, rig_on, static_program};
use crate::support::{PATIENCE, deploy, read_until, wait_for};

const FOLDER: &str = "HERSH_TEST_DATA";
const MOMENT: &str = "HERSH_TEST_MOMENT";
const PORT: &str = "HERSH_TEST_PORT";

/// Not a test of its own: the host that is killed, in a process of its own.
#[test]
fn host_to_be_killed() {
    let (Ok(folder), Ok(moment)) = (std::env::var(FOLDER), std::env::var(MOMENT)) else { return };
    let port: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    let config = real_config(Path::new(&folder), port..=port).unwrap();
    let docker = config.docker.clone();
    let host = Host::open(config).unwrap();
    let start = |more: &str| {
        let id = host.create(static_program(more)).unwrap().program_id;
        host.start(&id).unwrap();
        id
    };
    match moment.as_str() {
        "ready" => drop(deploy(&host, static_program(""))),
        "building" => {
            let id = start("RUN [\"/program\", \"sleep\"]");
            read_until(&mut host.follow_build_log(&id).unwrap(), |text| !text.is_empty());
        }
        "starting" => {
            let id = start("CMD [\"mute\"]");
            wait_for(&host, &id, State::Starting);
            let engine = Docker::new(&docker, host.host_id(), &folder);
            let until = Instant::now() + PATIENCE;
            while !engine.list().unwrap().iter().any(|one| one.running) {
                assert!(Instant::now() < until, "it never runs");
            }
        }
        "stopping" => {
            let id = deploy(&host, static_program("")).program_id;
            host.stop(&id).unwrap();
        }
        other => panic!("no moment {other}"),
    }
    // Past the test's captured output; whoever kills this process waits for it.
    std::io::Write::write_all(&mut std::io::stderr(), b"now\n").unwrap();
    loop {
        std::thread::park();
    }
}

/// Runs a host, whose program has this port, until the moment, and kills it.
fn killed_at(moment: &str, folder: &Path, port: u16) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "real::survival::host_to_be_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(MOMENT, moment)
        .env(PORT, port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines.by_ref().map_while(Result::ok).any(|line| line == "now");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reached, "the host never came to the moment {moment}");
}

fn only(host: &Host) -> ProgramId {
    let page = host.list(&ListFilter::default());
    assert_eq!(page.count, 1);
    page.programs[0].program_id.clone()
}

#[test]
fn a_host_killed_while_a_program_is_ready_finds_it_running() {
    if engine().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    killed_at("ready", dir.path(), 19_300);
    let rig = rig_on(dir, 19_300..=19_309).unwrap();
    let id = only(rig.host());
    let program = rig.host().get(&id).unwrap();
    assert_eq!((program.state, program.attempt), (State::Ready, Attempt(1)));
    // The same container, which has never been away.
    assert_eq!(ask(&program, "read/state/runs"), "1");
    assert_eq!(containers(&rig), 1);
    rig.host().stop(&id).unwrap();
    wait_for(rig.host(), &id, State::Stopped);
    assert_eq!(containers(&rig), 0);
}

#[test]
fn a_host_killed_while_it_builds_builds_again() {
    if engine().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    killed_at("building", dir.path(), 19_310);
    let rig = rig_on(dir, 19_310..=19_319).unwrap();
    let id = only(rig.host());
    let program = rig.host().get(&id).unwrap();
    assert_eq!((program.state, program.attempt), (State::Building, Attempt(1)));
    rig.host().stop(&id).unwrap();
    assert_eq!(containers(&rig), 0);
}

#[test]
fn a_host_killed_while_a_program_starts_finds_its_container() {
    if engine().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    killed_at("starting", dir.path(), 19_340);
    let rig = rig_on(dir, 19_340..=19_349).unwrap();
    let id = only(rig.host());
    let program = rig.host().get(&id).unwrap();
    assert_eq!((program.state, program.attempt), (State::Starting, Attempt(1)));
    assert_eq!(containers(&rig), 1, "neither lost nor started twice");
    assert_eq!(rig.host().stop(&id).unwrap().state, State::Stopped);
    // The start behind the stop is given up, and takes its container with it.
    rig.host().delete(&id, true).unwrap();
    assert!(matches!(rig.host().wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    assert_eq!(containers(&rig), 0);
}

#[test]
fn a_host_killed_while_a_program_stops_stops_it() {
    if engine().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    killed_at("stopping", dir.path(), 19_350);
    let rig = rig_on(dir, 19_350..=19_359).unwrap();
    wait_for(rig.host(), &only(rig.host()), State::Stopped);
    assert_eq!(containers(&rig), 0);
}

#[test]
fn a_registry_that_is_lost_is_made_again_from_the_folders() {
    let Some(mut rig) = rig(19_320..=19_329) else { return };
    let program = deploy(rig.host(), static_program(""));
    rig.reopen(|data| {
        for suffix in ["", "-wal", "-shm"] {
            // The last two are there only while it is open.
            let _ = std::fs::remove_file(data.join(format!("registry.db{suffix}")));
        }
    });
    let found = |p: &ProgramView| !p.container_id.is_empty();
    let again = rig.host().wait(&program.program_id, PATIENCE, found).unwrap();
    assert_eq!((again.state, &again.container_id), (State::Ready, &program.container_id));
    assert_eq!((again.port, again.created_at), (program.port, program.created_at));
    assert_eq!(ask(&again, "read/state/runs"), "1");
}

#[test]
fn what_a_reboot_took_is_brought_back_if_it_was_to_run() {
    let Some(mut rig) = rig(19_280..=19_289) else { return };
    let (runs, stopped) =
        (deploy(rig.host(), static_program("")), deploy(rig.host(), static_program("")));
    rig.host().stop(&stopped.program_id).unwrap();
    wait_for(rig.host(), &stopped.program_id, State::Stopped);
    let engine = rig.engine();
    rig.reopen(|_| {
        for one in engine.list().unwrap() {
            engine.remove(&one.container_id).unwrap();
        }
        assert_eq!(engine.list().unwrap(), [], "as after a reboot");
    });
    let back = |p: &ProgramView| p.state == State::Ready && p.attempt == Attempt(2);
    let again = rig.host().wait(&runs.program_id, PATIENCE, back).unwrap();
    assert_eq!((again.state, again.port), (State::Ready, runs.port), "{}", again.error_msg);
    assert_eq!((again.restarts, again.desired), (0, "Ready"));
    assert_eq!(ask(&again, "read/state/runs"), "2", "with what it kept");
    assert_eq!(rig.host().get(&stopped.program_id).unwrap().state, State::Stopped);
    assert_eq!(containers(&rig), 1);
}

#[test]
fn containers_that_belong_to_nobody_go() {
    let Some(mut rig) = rig(19_330..=19_339) else { return };
    let program = deploy(rig.host(), static_program(""));
    assert_eq!(containers(&rig), 1);
    rig.reopen(|data| {
        let folder = data.join("programs").join(program.program_id.as_str());
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::remove_file(data.join("registry.db")).unwrap();
    });
    assert_eq!(rig.host().list(&ListFilter::default()).count, 0);
    assert_eq!(containers(&rig), 0);
    rig.engine().remove_images(&program.program_id).unwrap();
}
