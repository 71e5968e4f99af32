//! `hersh start`, `stop` and `restart`

use std::time::Duration;

use super::Session;
use super::logs::last_lines;
use crate::args::WaitArgs;
use crate::client::wait::{Goal, Waited, wait};
use crate::client::{Action, Client};
use crate::output::{Exit, Failure};
use crate::wire::ProgramBody;

pub(super) fn start(args: &WaitArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    act(args, Action::Start, session)
}

pub(super) fn stop(args: &WaitArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    act(args, Action::Stop, session)
}

pub(super) fn restart(args: &WaitArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    act(args, Action::Restart, session)
}

// Asks for it for all of them first and waits afterwards, so that they come up side by side.
fn act(args: &WaitArgs, action: Action, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let mut asked = Vec::new();
    let exit = session.for_each(&client, &args.names, |session, program| {
        let answer = client.act(&program.program_id, action)?;
        session.output.detail(format!("{}: {}", program.label(), answer.message));
        asked.push((program.clone(), answer));
        Ok(())
    })?;
    if args.detach {
        if session.output.style().json {
            let answers: Vec<_> = asked.into_iter().map(|(_, answer)| answer).collect();
            session.output.json(&answers)?;
        }
        return Ok(exit);
    }
    let mut exit = exit;
    let mut reached = Vec::new();
    for (program, _) in asked {
        let limit = Duration::from_secs(args.timeout);
        match follow(&client, &program, action, limit, session) {
            Ok(program) => reached.push(program),
            Err(failure) => {
                session.output.failure(&failure);
                exit = exit.and(failure.exit());
            }
        }
    }
    if session.output.style().json {
        session.output.json(&reached)?;
    }
    Ok(exit)
}

// Waits until the program is where `action` leads; `program` is what it was before.
fn follow(
    client: &Client,
    program: &ProgramBody,
    action: Action,
    limit: Duration,
    session: &mut Session<'_>,
) -> Result<ProgramBody, Failure> {
    let goal = match action {
        Action::Start | Action::Restart => Goal::Ready { after_attempt: program.attempt },
        Action::Stop => Goal::Stopped,
    };
    let label = program.label();
    let waited = wait(client, &program.program_id, goal, limit, |now| {
        session.output.status(&format!("{label}: {}", now.state));
    })?;
    match waited {
        Waited::Reached(now) => {
            let state = session.output.good(&now.state);
            session.output.say(format!("{label}: {state}"));
            Ok(now)
        }
        Waited::Lost(now) => Err(lost(&now, goal)),
        Waited::TimedOut(now) => Err(timed_out(&now, limit)),
    }
}

// More than this of an error is the log, for which there is a command.
const ERROR_LINES: usize = 20;

/// What to say of a program that will not get there.
pub(super) fn lost(program: &ProgramBody, goal: Goal) -> Failure {
    let label = program.label();
    let why = if program.error_msg.is_empty() {
        String::new()
    } else {
        format!(": {}", last_lines(&program.error_msg, ERROR_LINES))
    };
    Failure::new(Exit::Failed, format!("{label} is {}, not {goal}{why}", program.state))
        .with_remedy(format!("see `hersh logs --build {label}` and `hersh logs {label}`"))
}

/// What to say of a program that did not get there in time.
pub(super) fn timed_out(program: &ProgramBody, limit: Duration) -> Failure {
    let label = program.label();
    let seconds = limit.as_secs();
    let what = format!("{label} is still {} after {seconds} seconds", program.state);
    Failure::new(Exit::TimedOut, what)
        .with_remedy(format!("it goes on; see how it stands with `hersh show {label}`"))
}
