//! The commands: what each does with what was parsed.
//!
//! With `--json` a command prints one document (or, where it follows a log, one a line):
//!
//! | command | document |
//! |---|---|
//! | `ps` | `{"programs":[program…],"count":n}` |
//! | `show`, `start`, `stop`, `restart` | `[program…]`, those for which it was done |
//! | `start`, `stop`, `restart` with `--detach`; `rm` | `[{"program_id","state","message"}…]` |
//! | `deploy` | `program` |
//! | `source` | `{"program_id","files":{name:text},"files_base64":{name:base64},"retrieved_at"}` |
//! | `events` | `{"program_id","events":[event…],"count"}` |
//! | `events --follow`, `watch` | an object a line, as their help says |
//! | `init` | `{"name","lang","dir","files":[name…]}` |
//! | `tickets list` | `{"tickets":[ticket…],"count"}` |
//! | `tickets show`, `retry`, `cancel` | `[ticket…]` |
//! | `token create` | `{"token","token_id","user_id","name","scope","created_at"}` |
//! | `token list` | `{"tokens":[…],"count"}`, without the secrets |
//! | `token revoke` | `[{"token_id","state","message"}…]` |
//! | `replay` | a summary, as its help says |
//! | `logs` | `{"program_id","container_id","logs","timestamp"}` |
//! | `logs --build` | `{"program_id","attempt","log","timestamp"}` |
//! | `logs --follow` | `{"program_id","logs"}` a line, a piece of the log each |
//! | `send` | the watcher's answer, `{"status":"message sent"}` |
//! | `host` | `{"url","data_dir"}`, once it serves |
//! | `doctor` | `{"ok","checks":[{"name","status","detail","remedy"}…]}` |
//!
//! A `program` is what [`ProgramBody`] says. Fields are added, never renamed.

mod child;
mod completions;
mod deploy;
mod dev;
mod doctor;
mod events;
mod host;
mod init;
mod lifecycle;
mod logs;
mod ps;
mod replay;
mod rm;
mod send;
mod show;
mod signals;
mod source;
mod tickets;
mod token;
mod watch;

use std::path::Path;

use crate::args::{ClientArgs, Command, Global};
use crate::client::{Client, Environment, Overrides, Settings, resolve};
use crate::output::{Exit, Failure, Output};
use crate::units::EngineAddress;
use crate::wire::ProgramBody;

/// What a command works with besides its own arguments.
pub struct Session<'a> {
    /// Where it speaks.
    pub output: Output,
    /// What every command understands.
    pub global: Global,
    /// The environment of the process.
    pub environment: Environment<'a>,
}

impl Session<'_> {
    fn settings(&self, host: Option<&str>) -> Result<Settings, Failure> {
        let flags = Overrides {
            host: host.map(str::to_owned),
            data_dir: self.global.data_dir.clone(),
            config: self.global.config.clone(),
        };
        let is_root = rustix::process::geteuid().is_root();
        Ok(Settings::load(&flags, self.environment, is_root)?)
    }

    fn client(&mut self, args: &ClientArgs) -> Result<Client, Failure> {
        let settings = self.settings(args.host.as_deref())?;
        let token = if settings.token.is_some() { "with a token" } else { "without a token" };
        self.output.detail(format!("talking to {} {token}", settings.host));
        Ok(Client::new(settings))
    }

    // Does `work` for each name. One that fails is reported and does not keep the others from
    // being done; the first failure decides the exit code.
    fn for_each(
        &mut self,
        client: &Client,
        names: &[String],
        mut work: impl FnMut(&mut Self, &ProgramBody) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let programs = client.programs(None, None)?;
        let mut exit = Exit::Ok;
        for name in names {
            let done = resolve(&programs, name)
                .map_err(Failure::from)
                .and_then(|program| work(self, program));
            if let Err(failure) = done {
                if failure.what().is_empty() {
                    return Err(failure);
                }
                self.output.failure(&failure);
                exit = exit.and(failure.exit());
            }
        }
        Ok(exit)
    }
}

/// Runs one command.
///
/// # Errors
/// A [`Failure`] that is still to be shown; failures that were already shown are in the exit code.
pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(&args, session),
        Command::Dev(args) => dev::run(&args, session),
        Command::Deploy(args) => deploy::run(&args, session),
        Command::Ps(args) => ps::run(&args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Logs(args) => logs::run(&args, session),
        Command::Send(args) => send::run(args, session),
        Command::Watch(args) => watch::run(&args, session),
        Command::Events(args) => events::run(&args, session),
        Command::Source(args) => source::run(&args, session),
        Command::Start(args) => lifecycle::start(&args, session),
        Command::Stop(args) => lifecycle::stop(&args, session),
        Command::Restart(args) => lifecycle::restart(&args, session),
        Command::Rm(args) => rm::run(&args, session),
        Command::Tickets(args) => tickets::run(&args, session),
        Command::Token(args) => token::run(&args, session),
        Command::Replay(args) => replay::run(&args, session),
        Command::Host(args) => host::run(&args, session),
        Command::Doctor(args) => doctor::run(&args, session),
        Command::Completions(args) => completions::completions(&args, session),
        Command::Man(args) => completions::man(&args, session),
    }
}

// Where the Docker engine is, if anybody said so.
fn engine_address(flag: Option<&EngineAddress>, environment: Environment<'_>) -> Option<String> {
    let set = || environment("DOCKER_HOST").filter(|address| !address.is_empty());
    flag.map(|engine| engine.0.clone()).or_else(set)
}

// One program, by what the person typed.
fn find(client: &Client, wanted: &str) -> Result<ProgramBody, Failure> {
    Ok(resolve(&client.programs(None, None)?, wanted)?.clone())
}

// The one of several that is called so: the whole of one of its names, else the only beginning.
fn one_of<'a, T>(
    all: &'a [T],
    wanted: &str,
    what: &str,
    names: impl Fn(&T) -> Vec<&String>,
) -> Result<&'a T, Failure> {
    let is = |one: &&T| names(one).into_iter().any(|name| name == wanted);
    let begins = |one: &&T| names(one).into_iter().any(|name| name.starts_with(wanted));
    let mut found: Vec<_> = all.iter().filter(is).collect();
    if found.is_empty() && !wanted.is_empty() {
        found = all.iter().filter(begins).collect();
    }
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(Failure::new(Exit::NotFound, format!("there is no {what} `{wanted}`"))
            .with_remedy(format!("`hersh {what}{} list` lists them", plural(what)))),
        several => {
            let count = several.len();
            Err(Failure::new(Exit::Usage, format!("`{wanted}` could be {count} {what}s"))
                .with_remedy("write more of its id"))
        }
    }
}

// `hersh tickets`, but `hersh token`.
fn plural(what: &str) -> &'static str {
    if what == "ticket" { "s" } else { "" }
}

// Makes a folder to write into; one that is there must be empty, so that nothing is overwritten.
fn new_folder(dir: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot make the folder {}: {error}", dir.display()))
            .with_remedy("name another folder")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        let what = format!("{} is not empty", dir.display());
        return Err(Failure::new(Exit::Conflict, what)
            .with_remedy("nothing was written; name a folder that is empty or not there"));
    }
    Ok(())
}

// Writes a new file with the folders above it.
fn write_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(path, content)
    };
    write().map_err(|error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
            .with_remedy("see that there is room, and that the folder may be written")
    })
}
