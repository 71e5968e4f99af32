//! `hersh deploy`

pub(super) mod env;
mod progress;

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::Receiver;
use signal_hook::consts::SIGINT;

use self::progress::Ending;
use super::lifecycle::{lost, timed_out};
use super::{Session, signals};
use crate::args::{DeployArgs, NetworkArg, RestartArg};
use crate::client::upload::Context;
use crate::client::wait::Goal;
use crate::client::{Action, Client, ClientError};
use crate::host::{Health, LimitsRequest, NetworkMode};
use crate::output::{Exit, Failure, Output};
use crate::program::RestartMode;
use crate::units::ByteSize;
use crate::wire::{CreateProgram, Created, ProgramBody};

pub(super) fn run(args: &DeployArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    // Everything that can be wrong here is found before anything is asked of the host.
    let body = body(args, session)?;
    let client = session.client(&args.client)?;
    let interrupts = signals::caught(&[SIGINT], 1)?;
    let created = upload(&client, &body, &interrupts, &mut session.output)?;
    let program = client.program(&created.program_id)?;
    let label = program.label().to_owned();
    session.output.detail(format!("{label}: created as {}", program.program_id));
    if let (Some(_), Some(name)) = (&program.replaces, &body.name) {
        session.output.say(format!("{name} runs already; this build takes over once it is Ready"));
    }
    if args.no_start {
        session.output.say(format!("{label} is created; start it with `hersh start {label}`"));
        return print(&program, session);
    }
    client.act(&program.program_id, Action::Start)?;
    if args.detach {
        session.output.say(format!("{label} is being built; {}", come_back(&label)));
        return print(&client.program(&program.program_id)?, session);
    }
    follow(&client, &program, Duration::from_secs(args.timeout), &interrupts, session)
}

// Ctrl-C before the host has everything leaves nothing behind; afterwards it is the host's work.
fn upload(
    client: &Client,
    body: &CreateProgram,
    interrupts: &Receiver<i32>,
    output: &mut Output,
) -> Result<Created, Failure> {
    let mut interrupted = false;
    let created = client.create(body, &random_key()?, |done, all| {
        output.bar("uploading", done, all);
        interrupted = interrupts.try_recv().is_ok();
        !interrupted
    });
    if interrupted {
        let what = "interrupted before the host had everything: nothing was deployed";
        return Err(
            Failure::new(Exit::Interrupted, what).with_remedy("`hersh deploy` sends it again")
        );
    }
    created.map_err(not_created)
}

fn follow(
    client: &Client,
    program: &ProgramBody,
    limit: Duration,
    interrupts: &Receiver<i32>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let label = program.label();
    match progress::follow(client, program, limit, interrupts, &mut session.output)? {
        Ending::Ready(now) => {
            let state = session.output.good("Ready");
            // One that took over has its name only now.
            session.output.say(format!("{} is {state}", now.label()));
            print(&now, session)
        }
        Ending::Lost(now) => {
            let failure = lost(&now, Goal::Ready { after_attempt: 0 });
            Err(if program.replaces.is_some() { still_served(&failure) } else { failure })
        }
        Ending::TimedOut(now) => Err(timed_out(&now, limit)),
        Ending::Interrupted => {
            session.output.say(format!("{label} goes on without you; {}", come_back(label)));
            Ok(Exit::Interrupted)
        }
    }
}

// A failed build changes nothing for those who use the program.
fn still_served(failure: &Failure) -> Failure {
    let remedy = failure.remedy().unwrap_or_default();
    Failure::new(
        failure.exit(),
        format!("{}\nwhat was deployed before is as it was", failure.what()),
    )
    .with_remedy(remedy)
}

fn not_created(error: ClientError) -> Failure {
    let code = if let ClientError::Refused { code, .. } = &error { *code } else { 0 };
    let failure = Failure::from(error);
    match code {
        403 => failure.with_remedy("say with --user whose program it is: the user of the token"),
        409 => failure.with_remedy("choose another name with --name, or `hersh rm` that one first"),
        _ => failure,
    }
}

fn come_back(label: &str) -> String {
    format!("see how it stands with `hersh show {label}` or `hersh logs --build -f {label}`")
}

fn print(program: &ProgramBody, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if session.output.style().json {
        session.output.json(program)?;
    } else {
        let url = &program.proxy_url;
        session.output.data(format!("{} {url}\n", program.label()))?;
    }
    Ok(Exit::Ok)
}

fn body(args: &DeployArgs, session: &mut Session<'_>) -> Result<CreateProgram, Failure> {
    let env = env::collect(&args.env_file, &args.env, session.environment)?;
    session.output.status("reading the folder");
    let context = Context::read(&args.dir, args.file.as_deref())?;
    let (files, size) = (context.files.len(), ByteSize(context.bytes));
    session.output.detail(format!("sending {files} files besides the Dockerfile, {size} bytes"));
    let name = args.name.clone().or_else(|| name_of(&args.dir));
    let limits = LimitsRequest {
        memory_bytes: args.memory.map(|size| size.0),
        milli_cpus: args.cpus.map(|cpus| cpus.0),
        ..LimitsRequest::default()
    };
    let mut body = CreateProgram {
        user_id: args.user.clone().unwrap_or_else(|| user(session)),
        name,
        env,
        limits: (limits != LimitsRequest::default()).then_some(limits),
        restart: match args.restart {
            RestartArg::Never => RestartMode::Never,
            RestartArg::OnFailure => RestartMode::OnFailure,
            RestartArg::Always => RestartMode::Always,
        },
        health: Health {
            path: args.health.clone(),
            ready_timeout_ms: args.ready_timeout.map(|seconds| seconds.saturating_mul(1000)),
        },
        network: match args.network {
            NetworkArg::Bridge => NetworkMode::Bridge,
            NetworkArg::None => NetworkMode::None,
        },
        ..CreateProgram::default()
    };
    context.into_body(&mut body);
    Ok(body)
}

// The folder's name as a program can be called: lower-case letters, digits and single dashes,
// a letter first. A folder whose name has no letter gives none; the program then goes by its id.
fn name_of(dir: &Path) -> Option<String> {
    slug(dir.canonicalize().ok()?.file_name()?.to_str()?)
}

const MAX_NAME: usize = 63;

pub(super) fn slug(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(MAX_NAME);
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

// The login name as an owner can be called, else `local`.
fn user(session: &Session<'_>) -> String {
    let set = ["USER", "LOGNAME"].iter().find_map(|name| (session.environment)(name));
    set.and_then(|user| slug(&user)).unwrap_or_else(|| "local".to_owned())
}

fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Exit::Failed, format!("the system gives no random numbers: {error}"))
            .with_remedy("see that getrandom(2) works here")
    })?;
    Ok(crate::units::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_folders() {
        assert_eq!(slug("My Bot_2").as_deref(), Some("my-bot-2"));
        assert_eq!(slug("2nd--try-").as_deref(), Some("nd-try"));
        assert_eq!(slug("Ärger").as_deref(), Some("rger"));
        assert_eq!(slug("123"), None);
        assert_eq!(slug(&"a".repeat(100)).unwrap().len(), MAX_NAME);
    }
}
