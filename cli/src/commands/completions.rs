//! `hersh completions` and `hersh man`

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::Session;
use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::output::{Exit, Failure};

pub(super) fn completions(
    args: &CompletionsArgs,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hersh", &mut script);
    session.output.data(script)?;
    Ok(Exit::Ok)
}

pub(super) fn man(args: &ManArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if let Some(dir) = &args.out {
        return write_all(dir, session);
    }
    let mut command = built();
    for name in &args.command {
        command = command.find_subcommand(name).cloned().ok_or_else(|| {
            let wanted = args.command.join(" ");
            Failure::new(Exit::NotFound, format!("there is no command `{wanted}`"))
                .with_remedy("`hersh --help` lists them")
        })?;
    }
    session.output.data(page(command)?)?;
    Ok(Exit::Ok)
}

fn write_all(dir: &Path, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let failed = |error| {
        Failure::new(Exit::Failed, format!("cannot write pages into {}: {error}", dir.display()))
            .with_remedy("name another folder with --out")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut pages = Vec::new();
    collect("hersh", built(), &mut pages);
    let count = pages.len();
    for (name, command) in pages {
        std::fs::write(dir.join(format!("{name}.1")), page(command)?).map_err(failed)?;
    }
    session.output.say(format!("{count} pages are in {}", dir.display()));
    Ok(Exit::Ok)
}

// A command and those below it, by the names of their pages.
fn collect(name: &str, command: clap::Command, pages: &mut Vec<(String, clap::Command)>) {
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        collect(&format!("{name}-{}", part.get_name()), part.clone(), pages);
    }
    pages.push((name.to_owned(), command));
}

// With what every command inherits from the one above it.
fn built() -> clap::Command {
    let mut root = Cli::command();
    root.build();
    root
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    // The name of a built subcommand in its usage line holds the root's already.
    Man::new(command).render(&mut text)?;
    Ok(text)
}
