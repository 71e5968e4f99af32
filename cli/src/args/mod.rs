//! The command line, as types. Parsing does no I/O: what a flag means for files, sockets or the
//! environment is decided by the command that reads it.

mod admin;
mod deploy;
mod host;
mod local;
mod programs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::admin::{
    TicketNamesArgs, TicketStatusArg, TicketsArgs, TicketsCommand, TicketsListArgs, TokenArgs,
    TokenCommand, TokenCreateArgs, TokenListArgs, TokenRevokeArgs,
};
pub use self::deploy::{DeployArgs, NetworkArg, RestartArg};
pub use self::host::{DoctorArgs, HostArgs, RuntimeArg};
pub use self::local::{CompletionsArgs, DevArgs, InitArgs, LanguageArg, ManArgs, ReplayArgs};
pub use self::programs::{
    EventsArgs, LogsArgs, NamesArgs, PsArgs, RmArgs, SendArgs, SourceArgs, WaitArgs, WatchArgs,
};

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
    /// Make a new program: code, tests, Dockerfile, README
    Init(InitArgs),
    /// Run the program of a folder here, without a container; again when a file changes
    Dev(DevArgs),
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
    /// See inside a program while it runs: state, variables, signals
    Watch(WatchArgs),
    /// Print what happened to a program: starts, stops, failures
    Events(EventsArgs),
    /// Print or fetch the files a program was built from
    Source(SourceArgs),
    /// Start programs
    Start(WaitArgs),
    /// Stop programs; their state stays
    Stop(WaitArgs),
    /// Stop programs and start them again
    Restart(WaitArgs),
    /// Remove programs; their state is set aside
    Rm(RmArgs),
    /// The work that the host has given itself: list it, hurry it, give it up
    Tickets(TicketsArgs),
    /// Who may use the host: make, list and revoke tokens
    Token(TokenArgs),
    /// Check a watcher's journal, and run what it records once more
    Replay(ReplayArgs),
    /// Run the host: builds programs, runs them under gVisor, serves the API on :9000
    Host(HostArgs),
    /// Check what a host needs on this machine, and say how to get it
    Doctor(DoctorArgs),
    /// Print what a shell needs to complete this command's arguments
    Completions(CompletionsArgs),
    /// Print the manual
    Man(ManArgs),
}

/// Which host to talk to.
#[derive(Clone, Debug, Default, Args)]
pub struct ClientArgs {
    /// The host to talk to, as `http://127.0.0.1:9000`
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
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
