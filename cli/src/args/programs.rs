//! The arguments of the commands about programs that are there.

use std::path::PathBuf;

use clap::Args;

use super::ClientArgs;

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

/// `hersh watch`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "On a terminal the screen shows the program as it is, until Ctrl-C. Elsewhere, \
    and with --plain, each line is something that happened.\n\n\
    With --json each line is {\"program_id\",\"event\",\"data\"}: event is `snapshot`, with the \
    watcher's state, varState and signals as data, at the beginning and after changes; or one of \
    the WatcherAPI's own: transition, execution, log, lost."
)]
pub struct WatchArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Name, id, or unique beginning of either
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Lines, also on a terminal
    #[arg(long)]
    pub plain: bool,
    /// Show it once and end
    #[arg(long)]
    pub once: bool,
}

/// `hersh events`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"program_id\",\"events\":[{\"seq\",\"at\",\"event\",\"detail\",\
    \"from\",\"to\",\"attempt\"}…],\"count\"}; with --follow an event a line."
)]
pub struct EventsArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Name, id, or unique beginning of either; with --follow all programs where it is missing
    #[arg(value_name = "NAME", required_unless_present = "follow")]
    pub name: Option<String>,
    /// Go on as more happens
    #[arg(short, long)]
    pub follow: bool,
    /// Only what happened after the event of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: i64,
}

/// `hersh source`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"program_id\",\"files\":{name:text},\"files_base64\":{name:base64},\
    \"retrieved_at\"}"
)]
pub struct SourceArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Name, id, or unique beginning of either
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print this file [default: list them]
    #[arg(value_name = "FILE", conflicts_with = "out")]
    pub file: Option<String>,
    /// Write them all into this folder, which must be empty or not be there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
