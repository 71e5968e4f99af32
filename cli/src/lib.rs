//! What the `hersh` command is made of: the program domain (pure), the host that serves it, and
//! the commands that talk to a host.
//!
//! Arrows point one way: `commands → client → wire`, `host → program → nothing`.
pub mod args;
pub mod client;
pub mod commands;
pub mod host;
pub mod output;
pub mod program;
pub mod units;
pub mod wire;

use std::ffi::OsString;

use clap::Parser;

use self::output::{Exit, Output, Style};

/// Runs the command with these arguments, the first of which is its own name.
///
/// Reads the environment and writes to the standard streams of the process.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Exit {
    let cli = match args::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, on standard output; all else is wrong usage. A reader
            // that went away has no use for either.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let environment = |name: &str| std::env::var_os(name)?.into_string().ok();
    let no_colour = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let global = cli.global;
    let style = Style { json: global.json, quiet: global.quiet, verbose: global.verbose };
    let output = Output::standard(style, no_colour);
    let mut session = commands::Session { output, global, environment: &environment };
    match commands::run(cli.command, &mut session) {
        Ok(exit) => exit,
        Err(failure) => {
            session.output.failure(&failure);
            failure.exit()
        }
    }
}
