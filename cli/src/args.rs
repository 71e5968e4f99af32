//! The command line, as types. Parsing does no I/O: what a flag means for files, sockets or the
//! environment is decided by the command that reads it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::units::{ByteSize, EngineAddress, EnvEntry, MilliCpus};

/// Shown under `hersh --help`; a test holds it against [`crate::output::Exit`].
pub const AFTER_HELP: &str = "\
Environment:
  HERSH_HOST      the host to talk to [default: http://127.0.0.1:9000]
  HERSH_TOKEN     the token to show it [default: the host's own, where this user may read it]
  HERSH_DATA_DIR  where the host on this machine keeps its data
  HERSH_CONFIG    the configuration file [default: ~/.config/hersh/config.toml]
                  with the keys host, token and data_dir; flags and environment go first
  NO_COLOR        no colours

Exit codes:
  0 ok                      4 not found
  1 the operation failed    5 the present state does not allow it
  2 wrong usage             6 timed out
  3 host unreachable        7 not allowed
  130 interrupted with Ctrl-C

Data goes to standard output, everything else to standard error.";

/// Runs small reactive programs under gVisor, and sees inside them while they run.
#[derive(Debug, Parser)]
#[command(name = "hersh", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Print data as JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Say nothing but data and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    pub quiet: bool,
    /// Say more about what is being done
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub verbose: bool,
    /// Where the host on this machine keeps its data
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub data_dir: Option<PathBuf>,
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the host: builds programs, runs them under gVisor, serves the API on :9000
    Host(HostArgs),
    /// Build a folder with a Dockerfile on the host and start it
    Deploy(DeployArgs),
    /// List programs
    Ps(PsArgs),
    /// Show everything about programs
    Show(NamesArgs),
    /// Print what a program wrote, or how its build went
    Logs(LogsArgs),
    /// Send a message to a program
    Send(SendArgs),
    /// Start programs
    Start(WaitArgs),
    /// Stop programs; their state stays
    Stop(WaitArgs),
    /// Stop programs and start them again
    Restart(WaitArgs),
    /// Remove programs; their state is set aside
    Rm(RmArgs),
    /// Run the program of a folder here, without a container
    Dev(DevArgs),
    /// Check what a host needs on this machine, and say how to get it
    Doctor(DoctorArgs),
}

/// Which host to talk to.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientArgs {
    /// The host to talk to, as `http://127.0.0.1:9000`
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
}

/// `hersh host`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json it prints {\"url\",\"data_dir\"} once it serves.\n\n\
    SIGTERM and Ctrl-C end it well: programs go on running, and the next host takes them up.")]
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

/// `hersh deploy`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "It prints the name and the URL; with --json the program, as `show`.\n\n\
    What .dockerignore names is not sent. Ctrl-C leaves the host to its work."
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
    /// Whose program it is [default: this user's login name]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Give up waiting for Ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
}

/// What programs run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeArg {
    /// gVisor.
    Runsc,
    /// The machine's own kernel; only with --allow-runc.
    Runc,
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

/// `hersh ps`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: {\"programs\":[program…],\"count\":n}")]
pub struct PsArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Only programs in this state
    #[arg(long)]
    pub state: Option<String>,
    /// Only programs of this user
    #[arg(long)]
    pub user: Option<String>,
}

/// `hersh show`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: [{\"program_id\",\"build_id\",\"user_id\",\"name\",\
    \"state\",\"desired\",\"image_id\",\"container_id\",\"proxy_url\",\"error_msg\",\"attempt\",\
    \"restarts\",\"limits\",\"created_at\",\"updated_at\"}…]")]
pub struct NamesArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Names, ids, or unique beginnings of either
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// `hersh logs`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"program_id\",\"container_id\",\"logs\",\"timestamp\"}; \
    with --build {\"program_id\",\"attempt\",\"log\",\"timestamp\"}; \
    with --follow {\"program_id\",\"logs\"} a line, a piece of the log each."
)]
pub struct LogsArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Name, id, or unique beginning of either
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Go on as more is written
    #[arg(short, long)]
    pub follow: bool,
    /// Begin so many lines from the end
    #[arg(long, value_name = "N", conflicts_with = "build")]
    pub tail: Option<u32>,
    /// The log of the last build
    #[arg(long)]
    pub build: bool,
}

/// `hersh send`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: the watcher's answer, {\"status\":\"message sent\"}")]
pub struct SendArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Name, id, or unique beginning of either
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The message; `-` reads it from standard input
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub message: String,
}

/// `hersh start`, `stop` and `restart`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: [program…], those for which it was done, as `show`; \
    with --detach [{\"program_id\",\"state\",\"message\"}…]")]
pub struct WaitArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Names, ids, or unique beginnings of either
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Ask for it and do not wait until it is done
    #[arg(short, long)]
    pub detach: bool,
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
}

/// `hersh rm`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: [{\"program_id\",\"state\",\"message\"}…]")]
pub struct RmArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Names, ids, or unique beginnings of either
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Remove their state too, for good
    #[arg(long)]
    pub purge: bool,
}

/// `hersh dev`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "The program gets HERSH_STATE_DIR (DIR/.hersh/state) and \
    HERSH_API_ADDR, where its WatcherAPI is to listen. Its output goes where this command's goes.")]
pub struct DevArgs {
    /// The folder of the program
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Port of its WatcherAPI [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Set an environment variable
    #[arg(short, long = "env", value_name = "KEY[=VALUE]")]
    pub env: Vec<EnvEntry>,
    /// What to run [default: `[dev] command` of hersh.toml, else what the folder looks like]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_message_may_begin_with_a_dash() {
        let cli = Cli::try_parse_from(["hersh", "send", "counter", "-5"]).unwrap();
        let Command::Send(send) = cli.command else { panic!("not send") };
        assert_eq!(send.message, "-5");
    }
}
