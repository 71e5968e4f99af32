//! What a host is told when it is opened.
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::storage::SourceLimits;

/// The container runtime that programs run under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// gVisor.
    #[default]
    Runsc,
    /// The machine's own kernel; only where the host was started with `--allow-runc`.
    Runc,
}

impl Runtime {
    /// The runtime's name, as the engine knows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runsc => "runsc",
            Self::Runc => "runc",
        }
    }
}

/// What one program may use of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory; there is no swap besides.
    pub memory_bytes: u64,
    /// Thousandths of a processor.
    pub milli_cpus: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes of log that the engine keeps.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, milli_cpus: 1_000, pids: 256, log_bytes: 20 << 20 }
    }
}

impl Limits {
    /// The most that a program may be given unless the host is told otherwise.
    pub const MOST: Self =
        Self { memory_bytes: 64 << 30, milli_cpus: 64_000, pids: 32_768, log_bytes: 1 << 30 };
}

/// Which engine, and how to reach it. Nothing of the host's own environment reaches the client
/// but what is named here and `PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    /// The client: a name looked up in `PATH`, or a path.
    pub binary: PathBuf,
    /// The engine's address, as `DOCKER_HOST` writes it; the client's default without it.
    pub host: Option<String>,
    /// The client's configuration folder (`DOCKER_CONFIG`), where registry logins live.
    pub config_dir: Option<PathBuf>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self { binary: PathBuf::from("docker"), host: None, config_dir: None }
    }
}

/// What a host is told when it is opened.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Which engine.
    pub docker: DockerConfig,
    /// The runtime that programs run under.
    pub runtime: Runtime,
    /// Whether [`Runtime::Runc`] may be used at all.
    pub allow_runc: bool,
    /// Whether programs may have a network where the host cannot keep them from this machine's
    /// services and its cloud's metadata addresses.
    pub allow_open_network: bool,
    /// What a program gets that asks for nothing.
    pub default_limits: Limits,
    /// The most that a program may ask for.
    pub max_limits: Limits,
    /// Bounds on source files.
    pub sources: SourceLimits,
    /// How many programs there may be.
    pub max_programs: usize,
    /// Where programs are published on 127.0.0.1.
    pub ports: RangeInclusive<u16>,
    /// How long a build may take.
    pub build_timeout: Duration,
    /// Bytes of memory that each step of a build may use.
    pub build_memory_bytes: u64,
    /// Bytes of a build's output that are kept.
    pub build_log_bytes: u64,
    /// How long a started program has until it answers, and one that has stopped answering until it
    /// does again.
    pub ready_timeout: Duration,
    /// How long a container has between being asked to end and being killed.
    pub stop_grace: Duration,
    /// How often the host looks whether containers still run.
    pub check_every: Duration,
    /// How often a program that is Ready is asked whether it still answers; seldomer where there are
    /// more programs than can be asked at each look.
    pub health_every: Duration,
    /// How long the image of a program that does not run is kept; after that it is built again.
    pub keep_images: Duration,
    /// Name servers for programs; the machine's own without them.
    pub dns: Vec<IpAddr>,
}

impl HostConfig {
    /// The usual figures, with everything kept under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            docker: DockerConfig::default(),
            runtime: Runtime::default(),
            allow_runc: false,
            allow_open_network: false,
            default_limits: Limits::default(),
            max_limits: Limits::MOST,
            sources: SourceLimits::default(),
            max_programs: 10_000,
            ports: 19_001..=29_999,
            build_timeout: Duration::from_secs(15 * 60),
            build_memory_bytes: 4 << 30,
            build_log_bytes: 8 << 20,
            ready_timeout: Duration::from_secs(60),
            stop_grace: Duration::from_secs(10),
            check_every: Duration::from_secs(2),
            health_every: Duration::from_secs(5),
            keep_images: Duration::from_secs(7 * 24 * 3600),
            dns: Vec::new(),
        }
    }
}
