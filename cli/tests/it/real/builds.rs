//! Builds run outside gVisor. What bounds them there: time, memory, log, and the walls of programs.
use std::net::TcpListener;
use std::time::{Duration, Instant};

use hersh_cli::host::{Host, HostConfig, NewProgram, ProgramView};
use hersh_cli::program::State;

use super::network::{Elsewhere, METADATA, own_address};
use super::{docker, real_config, remove_all, static_program};
use crate::support::{PATIENCE, wait_for};

/// A host whose builds have other bounds.
fn host(
    ports: std::ops::RangeInclusive<u16>,
    change: impl FnOnce(&mut HostConfig),
) -> Option<(tempfile::TempDir, Host)> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = real_config(dir.path(), ports)?;
    change(&mut config);
    Some((dir, Host::open(config).unwrap()))
}

fn run(step: &str) -> NewProgram {
    static_program(&format!("RUN [\"/program\", {step}]"))
}

fn fails(host: &Host, new: NewProgram) -> ProgramView {
    let id = host.create(new).unwrap().program_id;
    host.start(&id).unwrap();
    let failed = wait_for(host, &id, State::Error);
    assert!(failed.error_msg.starts_with("the build failed"), "{}", failed.error_msg);
    failed
}

#[test]
fn a_step_that_wants_too_much_memory_is_ended_and_the_error_says_so() {
    let Some((_dir, host)) = host(19_400..=19_404, |config| config.build_memory_bytes = 64 << 20)
    else {
        return;
    };
    let failed = fails(&host, run("\"hog\""));
    assert!(failed.error_msg.contains("more than 64 MiB of memory"), "{}", failed.error_msg);
    let log = host.build_log(&failed.program_id).unwrap().log;
    assert!(!log.contains("4096 MiB"), "it got all that it wanted: {log}");
    remove_all(&host);
}

#[test]
fn a_build_that_takes_too_long_is_ended_with_its_container() {
    let Some((_dir, host)) =
        host(19_405..=19_409, |config| config.build_timeout = Duration::from_secs(5))
    else {
        return;
    };
    let failed = fails(&host, run("\"sleep\", \"too-long\""));
    assert!(failed.error_msg.contains("was killed after 5 s"), "{}", failed.error_msg);
    let sleeps = || docker(&["ps", "--no-trunc", "--format", "{{.Command}}"]).contains("too-long");
    let until = Instant::now() + PATIENCE;
    while sleeps() {
        assert!(Instant::now() < until, "the build goes on without its client");
        std::thread::sleep(Duration::from_millis(50));
    }
    remove_all(&host);
}

#[test]
fn a_build_that_talks_too_much_is_cut_short_in_its_log_alone() {
    let Some((_dir, host)) = host(19_410..=19_414, |config| config.build_log_bytes = 64 << 10)
    else {
        return;
    };
    let id = host.create(run("\"talk\"")).unwrap().program_id;
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
    let log = host.build_log(&id).unwrap().log;
    assert!((64 << 10..65 << 10).contains(&log.len()), "{} bytes", log.len());
    assert!(
        log.ends_with("this log ends at 65536 bytes, and its writer goes on\n"),
        "{}",
        &log[65_000..]
    );
    remove_all(&host);
}

#[test]
fn a_step_is_outside_gvisor_and_behind_the_walls_of_programs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(config) = real_config(dir.path(), 19_415..=19_419) else { return };
    let Some(elsewhere) = Elsewhere::new() else { return };
    let host = Host::open(config).unwrap();
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let bridge = format!("hersh-{}", host.host_id());
    let gateway =
        docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &bridge]);
    let mut forbidden = vec![format!("{METADATA}:80"), format!("{gateway}:{port}")];
    forbidden.extend(own_address().map(|address| format!("{address}:{port}")));
    let allowed = format!("{}:8443", elsewhere.address);
    let asked = forbidden.iter().chain([&allowed]).map(|target| format!("\"reach/{target}\""));
    let asked = asked.collect::<Vec<_>>().join(", ");
    let new = run(&format!("\"tell\", \"read/proc/version\", {asked}"));
    let id = host.create(new).unwrap().program_id;
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Ready);
    let log = host.build_log(&id).unwrap().log;
    // What `hersh doctor` says of builds. Where it is no longer so, it should say something else.
    let version = log.lines().find(|line| line.starts_with("read/proc/version")).unwrap();
    assert!(!version.contains("4.4.0"), "{version}");
    assert!(log.contains(&format!("reach/{allowed}: reached")), "{log}");
    for target in forbidden {
        let line = log.lines().find(|line| line.starts_with(&format!("reach/{target}:")));
        assert!(!line.unwrap().ends_with(": reached"), "{log}");
    }
    remove_all(&host);
}
