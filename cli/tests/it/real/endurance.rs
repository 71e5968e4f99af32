//! Six programs that serve messages while they, their containers and their host are restarted and
//! killed. Some seconds here; `make soak-host` does ten minutes (`HERSH_SOAK_HOST_SECONDS`).
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hersh_cli::host::engine::Engine;
use hersh_cli::host::{Host, ListFilter, NewProgram, ProgramView};
use hersh_cli::program::{RestartMode, State};

use super::killing::{Dice, number};
use super::{real_config, rig_on, static_program};
use crate::support::{PATIENCE, deploy, wait_for};

const PORTS: std::ops::RangeInclusive<u16> = 19_390..=19_399;
const PROGRAMS: usize = 6;
const FOLDER: &str = "HERSH_TEST_ENDURING_HOST";

fn counter(number: usize) -> NewProgram {
    let mut new = static_program("");
    new.name = Some(format!("counter-{number}"));
    new.restart = RestartMode::Always;
    new
}

/// Not a test of its own: the host that is killed while it restarts its programs.
#[test]
fn host_that_restarts_its_programs() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let Some(config) = real_config(folder.as_ref(), PORTS) else { return };
    let host = Host::open(config).unwrap();
    let mut dice = Dice(number("HERSH_TEST_SEED", 1) | 1);
    loop {
        thread::sleep(Duration::from_millis(500 + dice.below(1_500)));
        let programs = host.list(&ListFilter::default()).programs;
        let program = &programs[usize::try_from(dice.below(6)).unwrap()];
        // A refusal is an answer like any other. One that reached its limit of restarts is started.
        let _ = match (program.state, dice.below(4)) {
            (State::Error, _) => host.start(&program.program_id),
            (_, 0) => host.restart(&program.program_id),
            _ => continue,
        };
    }
}

/// What one client sent and was answered.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    acknowledged: u64,
    last: u64,
}

impl Tally {
    /// Sends one message after another until told to end.
    fn of(port: u16, over: &AtomicBool) -> Self {
        let mut tally = Self::default();
        while !over.load(Ordering::Relaxed) {
            tally.sent += 1;
            match count_once(port) {
                Some(count) => {
                    // What was acknowledged before is in it, whatever happened in between.
                    assert!(count > tally.last && count >= tally.acknowledged, "{tally:?}");
                    tally.acknowledged += 1;
                    tally.last = count;
                    thread::sleep(Duration::from_millis(5));
                }
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
        tally
    }
}

/// Has a program count one message; its count, if it acknowledged.
fn count_once(port: u16) -> Option<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split_once("\r\n\r\n")?.1.parse().ok()
}

fn start_host(folder: &Path, dice: &mut Dice) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "real::endurance::host_that_restarts_its_programs"])
        .env(FOLDER, folder)
        .env("HERSH_TEST_SEED", dice.below(u64::MAX).to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the container of a program behind the host's back; tells whether one ran.
fn kill_container(program: &ProgramView) -> bool {
    let docker = |args: &[&str]| {
        let engine = super::engine().unwrap();
        Command::new("docker").args(args).env("DOCKER_HOST", engine).output().unwrap()
    };
    let filter = format!("label=hersh.program={}", program.program_id);
    let listed = docker(&["container", "ls", "--quiet", "--filter", &filter]).stdout;
    let listed = String::from_utf8(listed).unwrap();
    // It may end by itself meanwhile.
    listed.lines().next().is_some_and(|id| docker(&["container", "kill", id]).status.success())
}

#[test]
fn what_six_programs_acknowledged_outlives_all_that_befalls_them() {
    let Some(mut rig) = rig_on(tempfile::tempdir().unwrap(), PORTS) else { return };
    let programs: Vec<_> = (0..PROGRAMS).map(|one| deploy(rig.host(), counter(one))).collect();
    let dir = rig.keep();
    let mut dice = Dice(number("HERSH_SOAK_SEED", u64::from(std::process::id())) | 1);
    let until = Instant::now() + Duration::from_secs(number("HERSH_SOAK_HOST_SECONDS", 12));
    let over = AtomicBool::new(false);
    let (mut hosts, mut containers) = (0, 0);
    let tallies: Vec<_> = thread::scope(|scope| {
        let clients = programs.iter().map(|program| {
            let (port, over) = (program.port.unwrap(), &over);
            scope.spawn(move || Tally::of(port, over))
        });
        let clients: Vec<_> = clients.collect();
        let mut host = start_host(dir.path(), &mut dice);
        while Instant::now() < until {
            thread::sleep(Duration::from_millis(1_000 + dice.below(4_000)));
            if dice.below(3) == 0 {
                host.kill().unwrap();
                host.wait().unwrap();
                hosts += 1;
                host = start_host(dir.path(), &mut dice);
            } else {
                let chosen = usize::try_from(dice.below(6)).unwrap();
                containers += u32::from(kill_container(&programs[chosen]));
            }
        }
        host.kill().unwrap();
        host.wait().unwrap();
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    rig = rig_on(dir, PORTS).unwrap();
    let (mut sent, mut acknowledged, mut counted, mut runs) = (0, 0, 0, 0);
    for (program, tally) in programs.iter().zip(&tallies) {
        let now = back(rig.host(), program);
        assert_eq!(now.port, program.port, "its port is its own");
        // The same folder that the program sees.
        let state = rig.dir.path().join("programs").join(now.program_id.to_string()).join("state");
        let kept = |name: &str| std::fs::read_to_string(state.join(name)).unwrap_or_default();
        let count: u64 = kept("count").parse().unwrap_or(0);
        assert!(
            (tally.acknowledged..=tally.sent).contains(&count) && count >= tally.last,
            "{count} counted: {tally:?}"
        );
        sent += tally.sent;
        acknowledged += tally.acknowledged;
        counted += count;
        runs += kept("runs").parse::<u64>().unwrap();
    }
    assert!(acknowledged > 0, "nobody answered");
    let mut owners = BTreeMap::new();
    for one in rig.engine().list().unwrap() {
        *owners.entry(one.program_id).or_insert(0) += 1;
    }
    assert!(owners.len() == PROGRAMS && owners.values().all(|of| *of == 1), "{owners:?}");
    let _ = writeln!(
        std::io::stderr(),
        "{sent} messages sent, {counted} served, {acknowledged} acknowledged, 0 of these lost; \
         {hosts} hosts and {containers} containers killed, {runs} starts of {PROGRAMS} programs"
    );
}

/// The program when it is Ready again; started once more where its restarts were used up.
fn back(host: &Host, program: &ProgramView) -> ProgramView {
    let ended = |view: &ProgramView| matches!(view.state, State::Ready | State::Error);
    let settled = host.wait(&program.program_id, PATIENCE, ended).unwrap();
    if settled.state == State::Error {
        // It may be on its way by itself already.
        let _ = host.start(&program.program_id);
    }
    wait_for(host, &program.program_id, State::Ready)
}
