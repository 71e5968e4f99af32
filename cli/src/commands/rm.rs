//! `hersh rm`

use super::Session;
use crate::args::RmArgs;
use crate::output::{Exit, Failure};

pub(super) fn run(args: &RmArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let mut removed = Vec::new();
    let exit = session.for_each(&client, &args.names, |session, program| {
        session.output.status(&format!("removing {}", program.label()));
        let answer = client.delete(&program.program_id, args.purge)?;
        if session.output.style().json {
            removed.push(answer);
        } else {
            session.output.say(format!("{}: {}", program.label(), answer.message));
        }
        Ok(())
    })?;
    if session.output.style().json {
        session.output.json(&removed)?;
    }
    Ok(exit)
}
