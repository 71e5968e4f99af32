//! `hersh send`

use std::io::Read;

use super::{Session, find};
use crate::args::SendArgs;
use crate::client::ClientError;
use crate::output::{Exit, Failure};

// What a watcher takes by default; a longer message is refused here with a clear word.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;

pub(super) fn run(args: SendArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let message = if args.message == "-" { read_message()? } else { args.message };
    if message.is_empty() {
        return Err(Failure::new(Exit::Usage, "the message is empty")
            .with_remedy("a watcher takes messages of at least one character"));
    }
    let client = session.client(&args.client)?;
    let program = find(&client, &args.name)?;
    let label = program.label();
    let answer = client.message(&program.program_id, &message).map_err(|error| match error {
        ClientError::Refused { code: 503, .. } if program.state != "Ready" => {
            Failure::from(error).with_remedy(format!("start it with `hersh start {label}`"))
        }
        other => other.into(),
    })?;
    if session.output.style().json {
        session.output.json(&answer)?;
    } else {
        let bytes = message.len();
        session.output.say(format!("{label}: message of {bytes} bytes sent"));
    }
    Ok(Exit::Ok)
}

fn read_message() -> Result<String, Failure> {
    let mut message = String::new();
    let read = std::io::stdin().take(MAX_MESSAGE_BYTES + 1).read_to_string(&mut message);
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read the message from standard input: {error}"))
            .with_remedy("it must be UTF-8 text")
    })?;
    if message.len() as u64 > MAX_MESSAGE_BYTES {
        return Err(Failure::new(Exit::Usage, "the message is longer than 1 MiB")
            .with_remedy("put what is large into the program's state and send its name"));
    }
    Ok(message)
}
