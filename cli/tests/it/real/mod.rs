//! The host on a real engine with real gVisor: `HERSH_TEST_DOCKER_HOST` says where it is.
mod builds;
mod compile;
mod contract;
mod endurance;
mod faults;
mod killing;
mod network;
mod silence;
mod survival;
mod takeover;
mod tampering;
mod threats;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use hersh_cli::host::docker::Docker;
use hersh_cli::host::engine::Engine;
use hersh_cli::host::{Host, HostConfig, ListFilter, NewProgram, ProgramView};

use crate::support::config;

/// Where the engine is; none, with a word about it, where there is none outside CI.
pub(crate) fn engine() -> Option<String> {
    if let Ok(host) = std::env::var("HERSH_TEST_DOCKER_HOST") {
        return Some(host);
    }
    let why = "HERSH_TEST_DOCKER_HOST names no engine with gVisor to test on";
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    // Past the test's captured output: a skip must be seen.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    None
}

/// A host on a real engine, whose programs go with it.
pub(crate) struct Rig {
    host: Option<Host>,
    pub(crate) dir: tempfile::TempDir,
    config: HostConfig,
}

/// A host of its own. Tests may run side by side, so each has ports of its own.
pub(crate) fn rig(ports: RangeInclusive<u16>) -> Option<Rig> {
    rig_on(tempfile::tempdir().unwrap(), ports)
}

/// A host on a folder that may have been used before.
pub(crate) fn rig_on(dir: tempfile::TempDir, ports: RangeInclusive<u16>) -> Option<Rig> {
    let config = real_config(dir.path(), ports)?;
    Some(rig_with(dir, config))
}

/// A host with a configuration that is not the usual one.
pub(crate) fn rig_with(dir: tempfile::TempDir, config: HostConfig) -> Rig {
    let host = Some(Host::open(config.clone()).unwrap());
    Rig { host, dir, config }
}

pub(crate) fn real_config(data: &Path, ports: RangeInclusive<u16>) -> Option<HostConfig> {
    let mut config = config(data);
    config.docker.host = Some(engine()?);
    // A person's own engine is often used without being root; the walls have tests that need it.
    config.allow_open_network = !rustix::process::geteuid().is_root();
    config.check_every = Duration::from_millis(500);
    config.ports = ports;
    Some(config)
}

impl Rig {
    pub(crate) fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    /// Closes the host, has something done to its folder, and opens it again.
    pub(crate) fn reopen(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.host = None;
        meanwhile(self.dir.path());
        self.host = Some(Host::open(self.config.clone()).unwrap());
    }

    /// Ends the host and leaves its folder and its programs as they are.
    pub(crate) fn keep(&mut self) -> tempfile::TempDir {
        self.host = None;
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// The engine as the host uses it, for a look past the host.
    pub(crate) fn engine(&self) -> Docker {
        Docker::new(&self.config.docker, self.host().host_id(), self.dir.path())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(host) = &self.host {
            remove_all(host);
        }
    }
}

/// Removes all programs of a host and waits until they are gone.
fn remove_all(host: &Host) {
    let programs = host.list(&ListFilter::default()).programs;
    for program in &programs {
        // It may be on its way out already.
        let _ = host.delete(&program.program_id, true);
    }
    for program in &programs {
        let _ = host.wait(&program.program_id, Duration::from_secs(60), |_| false);
    }
}

/// A program of one static binary.
pub(crate) fn static_program(more: &str) -> NewProgram {
    let dockerfile =
        format!("FROM scratch\nCOPY program /program\n{more}\nENTRYPOINT [\"/program\"]\n");
    let mut new = NewProgram::new("alice".parse().unwrap(), dockerfile);
    new.files.insert("program".into(), std::fs::read(binary()).unwrap());
    new
}

pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Tests may be processes of their own, side by side.
        let out = folder.join(format!("program-{}", std::process::id()));
        compile::compile(&out);
        out
    })
}

/// What a program answers to `GET path`.
pub(crate) fn ask(program: &ProgramView, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", program.port.unwrap())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // In one piece: the program reads once.
    let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    // A program that ends in the middle says less.
    let _ = stream.read_to_string(&mut text);
    text.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
}

/// What the engine's own client makes of these arguments: what it prints, or what it says is wrong.
pub(crate) fn try_docker(args: &[&str]) -> Result<String, String> {
    let engine = engine().expect("a test that asks has an engine");
    let output = Command::new("docker").args(args).env("DOCKER_HOST", engine).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What the engine's own client prints.
pub(crate) fn docker(args: &[&str]) -> String {
    try_docker(args).unwrap_or_else(|words| panic!("docker {args:?}: {words}"))
}

/// How many containers of this host there are.
pub(crate) fn containers(rig: &Rig) -> usize {
    rig.engine().list().unwrap().len()
}
