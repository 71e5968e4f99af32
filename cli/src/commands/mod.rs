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
//! | `logs` | `{"program_id","container_id","logs","timestamp"}` |
//! | `logs --build` | `{"program_id","attempt","log","timestamp"}` |
//! | `logs --follow` | `{"program_id","logs"}` a line, a piece of the log each |
//! | `send` | the watcher's answer, `{"status":"message sent"}` |
//! | `host` | `{"url","data_dir"}`, once it serves |
//! | `doctor` | `{"ok","checks":[{"name","status","detail","remedy"}…]}` |
//!
//! A `program` is what [`ProgramBody`] says. Fields are added, never renamed.

mod deploy;
mod dev;
mod doctor;
mod host;
mod lifecycle;
mod logs;
mod ps;
mod rm;
mod send;
mod show;

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
        Command::Host(args) => host::run(&args, session),
        Command::Deploy(args) => deploy::run(&args, session),
        Command::Ps(args) => ps::run(&args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Logs(args) => logs::run(&args, session),
        Command::Send(args) => send::run(args, session),
        Command::Start(args) => lifecycle::start(&args, session),
        Command::Stop(args) => lifecycle::stop(&args, session),
        Command::Restart(args) => lifecycle::restart(&args, session),
        Command::Rm(args) => rm::run(&args, session),
        Command::Dev(args) => dev::run(&args, session),
        Command::Doctor(args) => doctor::run(&args, session),
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
