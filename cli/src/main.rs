//! The `hersh` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    hersh_cli::run(std::env::args_os()).into()
}
