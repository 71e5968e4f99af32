//! Hosts that are killed at random instants of build, start, stop and redeploy. A few kills here;
//! `make soak-host` does a hundred (`HERSH_SOAK_HOST_KILLS`).
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use hersh_cli::host::engine::Engine;
use hersh_cli::host::{Host, ListFilter, ProgramView};
use hersh_cli::program::{ProgramId, State};

use super::{Rig, ask, real_config, rig_on, static_program};
use crate::support::PATIENCE;

const PORTS: std::ops::RangeInclusive<u16> = 19_360..=19_389;
const NAMES: [&str; 3] = ["one", "two", "three"];

/// A small generator, so that a run can be had again from its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

pub(super) fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Not a test of its own: the host that is killed while it does what the dice say.
#[test]
fn host_at_random() {
    let Ok(folder) = std::env::var("HERSH_TEST_RANDOM_HOST") else { return };
    let Some(config) = real_config(folder.as_ref(), PORTS) else { return };
    let host = Host::open(config).unwrap();
    let mut dice = Dice(number("HERSH_TEST_SEED", 1) | 1);
    loop {
        let name = NAMES[usize::try_from(dice.below(3)).unwrap()];
        let programs = host.list(&ListFilter::default()).programs;
        let known = programs.iter().find(|program| program.name.as_deref() == Some(name));
        // A refusal is an answer like any other.
        match (known, dice.below(6)) {
            (None, _) | (_, 0) => {
                let mut new = static_program(&format!("LABEL build={}", dice.below(1_000_000)));
                new.name = Some(name.to_owned());
                if let Ok(created) = host.create(new) {
                    let _ = host.start(&created.program_id);
                }
            }
            (Some(program), 1) => drop(host.stop(&program.program_id)),
            (Some(program), 2) => drop(host.restart(&program.program_id)),
            (Some(program), 3) => drop(host.delete(&program.program_id, true)),
            (Some(program), _) => drop(host.start(&program.program_id)),
        }
        std::thread::sleep(Duration::from_millis(dice.below(600)));
    }
}

#[test]
fn hosts_killed_at_random_instants_leave_one_container_for_each_ready_program() {
    if super::engine().is_none() {
        return;
    }
    let mut dir = tempfile::tempdir().unwrap();
    let seed = number("HERSH_SOAK_SEED", u64::from(std::process::id()));
    let mut dice = Dice(seed | 1);
    let mut ports = BTreeMap::new();
    for kill in 0..number("HERSH_SOAK_HOST_KILLS", 2) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "real::killing::host_at_random"])
            .env("HERSH_TEST_RANDOM_HOST", dir.path())
            .env("HERSH_TEST_SEED", dice.below(u64::MAX).to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(200 + dice.below(6_000)));
        assert_eq!(child.try_wait().unwrap(), None, "it was to be killed (seed {seed}, {kill})");
        child.kill().unwrap();
        child.wait().unwrap();
        if kill % 10 == 9 {
            let about = format!("seed {seed}, after {} kills", kill + 1);
            let mut rig = settled(dir, &about);
            keep_their_ports(&rig, &mut ports, &about);
            dir = rig.keep();
        }
    }
    // Its end takes the programs away.
    let rig = settled(dir, &format!("seed {seed}"));
    keep_their_ports(&rig, &mut ports, "at the end");
}

/// Programs are where they were when they were last looked at, and those that run answer there.
fn keep_their_ports(rig: &Rig, known: &mut BTreeMap<ProgramId, Option<u16>>, about: &str) {
    for program in rig.host().list(&ListFilter::default()).programs {
        if program.state == State::Ready {
            assert_eq!(ask(&program, "healthz"), "ok", "{about}: {program:#?}");
        }
        // One that may still take over from another gets that one's port then.
        if program.replaces.is_some() {
            continue;
        }
        if let Some(before) = known.insert(program.program_id.clone(), program.port) {
            assert_eq!(program.port, before, "{about}: {program:#?}");
        }
    }
}

/// Opens the folder once more, and looks at everything when it has come to rest.
fn settled(dir: tempfile::TempDir, about: &str) -> Rig {
    let rig = rig_on(dir, PORTS).unwrap();
    let at_rest = |view: &ProgramView| {
        let rests =
            matches!(view.state, State::Created | State::Ready | State::Stopped | State::Error);
        rests && (view.replaces.is_none() || view.state != State::Ready)
    };
    let programs = rig.host().list(&ListFilter::default()).programs;
    for program in &programs {
        // One that was being removed is gone meanwhile.
        let _ = rig.host().wait(&program.program_id, PATIENCE, at_rest);
    }
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let programs = rig.host().list(&ListFilter::default()).programs;
        let ready: Vec<_> = programs.iter().filter(|one| !one.container_id.is_empty()).collect();
        let wanted: BTreeSet<_> = ready.iter().map(|one| Some(one.program_id.clone())).collect();
        let listed = rig.engine().list().unwrap();
        let found: BTreeSet<_> = listed.iter().map(|one| one.program_id.clone()).collect();
        let ports: BTreeSet<_> = programs.iter().filter_map(|one| one.port).collect();
        let names: Vec<_> = programs.iter().filter_map(|one| one.name.as_ref()).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        let whole = listed.len() == found.len()
            && found == wanted
            && ports.len() == programs.len()
            && distinct.len() == names.len()
            && programs.iter().all(at_rest);
        if whole {
            let ready = wanted.len();
            let _ =
                writeln!(std::io::stderr(), "{about}: {} programs, {ready} run", programs.len());
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "{about}: {programs:#?}\n{listed:#?}\n{:#?}",
            rig.host().engine_report()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    rig
}
