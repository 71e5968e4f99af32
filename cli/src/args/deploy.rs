//! The arguments of `hersh deploy`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ClientArgs;
use crate::units::{ByteSize, EnvEntry, MilliCpus};

/// `hersh deploy`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "It prints the name and the URL; with --json the program, as `show`.\n\n\
    What .dockerignore names is not sent. Once that is done, Ctrl-C leaves the host to its work."
)]
pub struct DeployArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The folder to build
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Name of the program [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// The Dockerfile [default: DIR/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Set an environment variable; without a value, take it from here
    #[arg(short, long = "env", value_name = "KEY[=VALUE]")]
    pub env: Vec<EnvEntry>,
    /// Set the environment variables of this file, one KEY=VALUE a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Create the program, do not start it
    #[arg(long, conflicts_with = "detach")]
    pub no_start: bool,
    /// Start the program, do not wait until it is Ready
    #[arg(short, long)]
    pub detach: bool,
    /// Memory it may use, as 256m or 1g
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Processors it may use, as 0.5
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<MilliCpus>,
    /// What to do when it ends on its own
    #[arg(long, value_enum, default_value_t = RestartArg::Never)]
    pub restart: RestartArg,
    /// It is Ready once GET of this path on its port 8080 answers 200 [default: its WatcherAPI's]
    #[arg(long, value_name = "PATH")]
    pub health: Option<String>,
    /// How many seconds it has to be Ready once it is started [default: what the host gives]
    #[arg(long, value_name = "SECONDS")]
    pub ready_timeout: Option<u64>,
    /// How it reaches and is reached
    #[arg(long, value_enum, default_value_t = NetworkArg::Bridge)]
    pub network: NetworkArg,
    /// Whose program it is [default: this user's login name]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Give up waiting for Ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
}

/// How a program reaches and is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NetworkArg {
    /// It reaches other machines, and this one's WatcherAPI proxy reaches it.
    Bridge,
    /// Not at all: nothing is published, and it cannot be sent messages.
    None,
}

/// When the host brings an ended program back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RestartArg {
    /// Leave it ended.
    Never,
    /// Start it again when its exit code is not 0.
    OnFailure,
    /// Start it again whatever its exit code.
    Always,
}
