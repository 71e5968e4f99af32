//! The arguments of the commands that need no host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::units::EnvEntry;

/// `hersh init`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: {\"name\",\"lang\",\"dir\",\"files\":[name…]}")]
pub struct InitArgs {
    /// The folder to make; one that is there must be empty
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// What to write it in
    #[arg(long, value_enum, default_value_t = LanguageArg::Python)]
    pub lang: LanguageArg,
    /// Name of the program [default: the folder's]
    #[arg(long)]
    pub name: Option<String>,
    /// Hersh's own sources, from which its library is built [default: those of this command]
    #[arg(long, value_name = "DIR")]
    pub library: Option<PathBuf>,
    /// The image that a Python program is built on; it must bring python3
    #[arg(long, value_name = "IMAGE", default_value = "python:3.13-slim")]
    pub base: String,
}

/// The languages a program can be begun in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LanguageArg {
    /// Python 3.9 and later.
    Python,
    /// Rust.
    Rust,
    /// C99.
    C,
}

/// `hersh dev`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "The program gets HERSH_STATE_DIR (DIR/.hersh/state) and HERSH_API_ADDR, \
    where its WatcherAPI is to listen. Its output goes where this command's goes.\n\n\
    When a file of the folder changes, the program is ended and run again; the times of the files \
    are looked at twice a second. Hidden files are left out, and target, build, dist, vendor, \
    node_modules, __pycache__; more can be named in hersh.toml, under [dev], as \
    ignore = [\"*.log\"]. A program that fails is run again after the next change; one that ends \
    with exit code 0 ends this command."
)]
pub struct DevArgs {
    /// The folder of the program
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Do not run it again when a file changes
    #[arg(long)]
    pub no_reload: bool,
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

/// `hersh replay`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "What the journal records is given to the watcher's state machine again. With a \
    PROGRAM its own function runs: the program is started as ever, with HERSH_REPLAY naming the \
    journal, and its watcher goes the recorded way, at once, instead of living. Meanwhile \
    HERSH_STATE_DIR is an empty folder and HERSH_API_ADDR a free port; what the program does \
    beside its watcher it does again. Without one, what the journal says of its outcomes stands in \
    the function's place.\n\n\
    It ends with exit code 1 when the journal is damaged, or when a change of state differs from the \
    record. A last line that is not whole is what a sudden end leaves: it is told, and no \
    failure.\n\n\
    With --json: {\"journal\",\"watcher\",\"run\",\"parts\",\"began\",\"seconds\",\"sessions\",\
    \"executions\",\"messages\",\"inputs\",\"variables\":[…],\"transitions\",\"state\",\"torn\",\
    \"replayed\":{\"program\",\"inputs\",\"transitions\",\"divergence\",\"problem\"}}"
)]
pub struct ReplayArgs {
    /// The newest file of the journal; older ones (`NAME.1`, …) are found beside it
    #[arg(value_name = "JOURNAL")]
    pub journal: PathBuf,
    /// Print every change of state
    #[arg(long)]
    pub transitions: bool,
    /// How long PROGRAM may take
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
    /// The program that wrote it, to be run over it
    #[arg(last = true, value_name = "PROGRAM")]
    pub command: Vec<String>,
}

/// `hersh completions`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "bash:  hersh completions bash > ~/.local/share/bash-completion/completions/hersh\n\
    zsh:   hersh completions zsh > \"${fpath[1]}/_hersh\"\n\
    fish:  hersh completions fish > ~/.config/fish/completions/hersh.fish"
)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `hersh man`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "Read it with `hersh man | man -l -`; of one command: \
    `hersh man deploy`, `hersh man token create`.")]
pub struct ManArgs {
    /// The command whose page to print [default: that of hersh itself]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Write all pages into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub out: Option<PathBuf>,
}
