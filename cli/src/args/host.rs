//! The arguments of the commands about this machine as a host.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use crate::units::EngineAddress;

/// `hersh host`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json it prints {\"url\",\"data_dir\"} once it serves.\n\n\
    SIGTERM and Ctrl-C end it well: programs go on running, and the next host takes them up.")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct HostArgs {
    /// Address of the API; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// The container runtime of programs
    #[arg(long, value_enum, default_value_t = RuntimeArg::Runsc)]
    pub runtime: RuntimeArg,
    /// Allow `--runtime runc`, under which nothing stands between programs and the kernel
    #[arg(long)]
    pub allow_runc: bool,
    /// Allow programs a network where packet filters cannot keep them from this machine's services
    #[arg(long)]
    pub allow_open_network: bool,
    /// Serve everyone who can reach the address, which must be a loopback one
    #[arg(long)]
    pub no_auth: bool,
    /// The Docker engine: `unix:///path`, `tcp://host:port` or the path of a socket
    #[arg(long, value_name = "ENGINE")]
    pub docker: Option<EngineAddress>,
    /// Print a systemd unit that runs this host, and exit
    #[arg(long)]
    pub print_unit: bool,
}

/// What programs run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeArg {
    /// gVisor.
    Runsc,
    /// The machine's own kernel; only with --allow-runc.
    Runc,
}

/// `hersh doctor`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"ok\",\"checks\":[{\"name\",\"status\",\"detail\",\"remedy\"}…]}; \
    status is ok, note or fail, and a fail makes the exit code 1."
)]
pub struct DoctorArgs {
    /// The Docker engine: `unix:///path`, `tcp://host:port` or the path of a socket
    #[arg(long, value_name = "ENGINE")]
    pub docker: Option<EngineAddress>,
    /// Address the API is to have
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
}
