//! The contract that every container keeps: how it is written down, what breaks it, how it is
//! handed to the engine, and whether the engine kept it.
//!
//! What the contract cannot close, said here so that nobody trusts it: under gVisor a program that is
//! root in its container can write to `/dev`, which is in memory, counts against its memory limit and
//! goes with the container; and the process limit holds for the processes of this machine, of which
//! gVisor needs few however many threads its program has: those are bounded by memory.
mod args;
mod check;
mod validate;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::{Limits, Runtime};
use super::request::NetworkMode;
use crate::program::{Attempt, ImageId, ProgramId};

pub use check::{Violation, check};
pub use validate::{ContractError, Policy, check_env, check_limits, validate};

/// Where a program's `WatcherAPI` listens in its container.
pub const WATCHER_PORT: u16 = 8080;
/// The one place in a container that can be written to.
pub const STATE_DIR: &str = "/state";
/// Where the name servers are written down in a container.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Places where gVisor mounts a file system in memory of its own accord, unless they are taken.
const CLOSED_DIRS: [&str; 2] = ["/tmp", "/dev/shm"];

/// Label of the program that an image or a container belongs to.
pub const LABEL_PROGRAM: &str = "hersh.program";
/// Label of the start that an image or a container belongs to.
pub const LABEL_ATTEMPT: &str = "hersh.attempt";
/// Label of the host that made an image or a container.
pub const LABEL_HOST: &str = "hersh.host";

/// A file or folder of the host's machine in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the machine.
    pub source: PathBuf,
    /// In the container.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A port of a container on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The machine's address.
    pub host_ip: String,
    /// The machine's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// How a container is attached to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// To the bridge of this name.
    Bridge(String),
    /// Not at all.
    None,
}

/// One container, written down. What the contract never allows (privileges, devices, the
/// machine's namespaces) cannot be said here at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeSpec {
    /// Whose container.
    pub program_id: ProgramId,
    /// Of which start.
    pub attempt: Attempt,
    /// Of which host.
    pub host_id: String,
    /// What runs in it.
    pub image: ImageId,
    /// The runtime's name.
    pub runtime: String,
    /// Whether the root file system can only be read.
    pub read_only: bool,
    /// What of the machine is in it.
    pub mounts: Vec<Mount>,
    /// File systems in memory, by their place.
    pub tmpfs: Vec<String>,
    /// What of it is on the machine.
    pub ports: Vec<Publish>,
    /// How it is attached to a network.
    pub network: Network,
    /// Options of the kernel's and the engine's security.
    pub security_opt: Vec<String>,
    /// Capabilities that it has not.
    pub cap_drop: Vec<String>,
    /// What it may use.
    pub limits: Limits,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// The file that hands its environment to the engine: a command line could be read by all.
    pub env_file: PathBuf,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds between being asked to end and being killed.
    pub stop_grace_s: u64,
}

/// What [`generate`] is told.
#[derive(Debug, Clone)]
pub struct GenerateOptions<'a> {
    /// Whose container.
    pub program_id: &'a ProgramId,
    /// Of which start.
    pub attempt: Attempt,
    /// Of which host.
    pub host_id: &'a str,
    /// What runs in it.
    pub image: &'a ImageId,
    /// The runtime.
    pub runtime: Runtime,
    /// How it reaches and is reached.
    pub network: NetworkMode,
    /// The bridge's name.
    pub bridge: &'a str,
    /// Where it is published.
    pub port: u16,
    /// What it may use.
    pub limits: Limits,
    /// Its environment, besides what the contract adds.
    pub env: &'a BTreeMap<String, String>,
    /// The folder that it may write to.
    pub state: &'a Path,
    /// The name servers, written down.
    pub resolv_conf: &'a Path,
    /// An empty folder that nobody may write to.
    pub empty: &'a Path,
    /// Where its environment is written down for the engine.
    pub env_file: &'a Path,
    /// Seconds between being asked to end and being killed.
    pub stop_grace_s: u64,
}

/// Writes the contract down for one start of one program.
pub fn generate(options: &GenerateOptions<'_>) -> ComposeSpec {
    let mount = |source: &Path, target: &str, read_only| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    };
    let mut mounts = vec![mount(options.state, STATE_DIR, false)];
    mounts.extend(CLOSED_DIRS.map(|place| mount(options.empty, place, true)));
    let (network, ports) = match options.network {
        NetworkMode::None => (Network::None, vec![]),
        NetworkMode::Bridge => {
            // On a bridge of its own a gVisor container cannot reach the engine's name server.
            mounts.push(mount(options.resolv_conf, RESOLV_CONF, true));
            let publish = Publish {
                host_ip: "127.0.0.1".to_owned(),
                host_port: options.port,
                container_port: WATCHER_PORT,
            };
            (Network::Bridge(options.bridge.to_owned()), vec![publish])
        }
    };
    let mut environment = options.env.clone();
    environment.insert("HERSH_PROGRAM_ID".into(), options.program_id.to_string());
    environment.insert("HERSH_STATE_DIR".into(), STATE_DIR.into());
    ComposeSpec {
        program_id: options.program_id.clone(),
        attempt: options.attempt,
        host_id: options.host_id.to_owned(),
        image: options.image.clone(),
        runtime: options.runtime.as_str().to_owned(),
        read_only: true,
        mounts,
        tmpfs: vec![],
        ports,
        network,
        security_opt: vec!["no-new-privileges".to_owned()],
        cap_drop: vec!["ALL".to_owned()],
        limits: options.limits,
        environment,
        env_file: options.env_file.to_owned(),
        labels: labels(options.program_id, options.attempt, options.host_id),
        stop_grace_s: options.stop_grace_s,
    }
}

/// The labels of everything that belongs to one start of one program.
pub fn labels(program: &ProgramId, attempt: Attempt, host_id: &str) -> BTreeMap<String, String> {
    let pairs = [
        (LABEL_PROGRAM, program.to_string()),
        (LABEL_ATTEMPT, attempt.to_string()),
        (LABEL_HOST, host_id.to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

impl ComposeSpec {
    /// The container's name: one for each program, so that the engine itself refuses a second.
    pub fn container_name(&self) -> String {
        container_name(&self.program_id)
    }

    /// What its environment looks like in the file that hands it to the engine.
    pub fn env_file_text(&self) -> String {
        let lines: Vec<_> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        lines.concat()
    }

    /// The name by which it knows itself: short enough for every system.
    fn hostname(&self) -> String {
        let id = self.program_id.as_str();
        format!("hersh-{}", &id[id.len() - 8..])
    }

    /// Bytes of each of the two log files that the engine keeps.
    fn log_file_bytes(&self) -> u64 {
        (self.limits.log_bytes / 2).max(4 << 10)
    }

    /// Thousandths of a processor as the engine writes them.
    fn cpus(&self) -> String {
        format!("{}.{:03}", self.limits.milli_cpus / 1000, self.limits.milli_cpus % 1000)
    }
}

/// The name of a program's container.
pub fn container_name(program: &ProgramId) -> String {
    format!("hersh-{program}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn spec() -> ComposeSpec {
        spec_with(NetworkMode::Bridge, &BTreeMap::new())
    }

    pub(crate) fn spec_with(network: NetworkMode, env: &BTreeMap<String, String>) -> ComposeSpec {
        generate(&GenerateOptions {
            program_id: &"alice-build-0123456789ab-deadbeef".parse().unwrap(),
            attempt: Attempt(2),
            host_id: "0123456789abcdef",
            image: &format!("sha256:{}", "5".repeat(64)).parse().unwrap(),
            runtime: Runtime::Runsc,
            network,
            bridge: "hersh-0123456789abcdef",
            port: 19_001,
            limits: Limits::default(),
            env,
            state: Path::new("/data/programs/p/state"),
            resolv_conf: Path::new("/data/resolv.conf"),
            empty: Path::new("/data/empty"),
            env_file: Path::new("/data/programs/p/runtime/env"),
            stop_grace_s: 10,
        })
    }

    #[test]
    fn what_is_generated_passes() {
        let policy = Policy::strict(19_001..=29_999);
        for network in [NetworkMode::Bridge, NetworkMode::None] {
            assert_eq!(validate(&spec_with(network, &BTreeMap::new()), &policy), Ok(()));
        }
        assert_eq!(spec_with(NetworkMode::None, &BTreeMap::new()).ports, []);
    }
}
