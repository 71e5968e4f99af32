//! `hersh logs`

use std::io::{ErrorKind, Read};

use serde::Serialize;

use super::{Session, find};
use crate::args::LogsArgs;
use crate::output::text::TerminalFilter;
use crate::output::{Exit, Failure};

pub(super) fn run(args: &LogsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let id = find(&client, &args.name)?.program_id;
    match (args.build, args.follow) {
        (true, true) => copy(client.follow_build_log(&id)?, &id, session)?,
        (false, true) => copy(client.follow_logs(&id, args.tail)?, &id, session)?,
        (true, false) => {
            let log = client.build_log(&id)?;
            whole(&log, &log.log, &id, session)?;
        }
        (false, false) => {
            let log = client.logs(&id, args.tail)?;
            whole(&log, &log.logs, &id, session)?;
        }
    }
    Ok(Exit::Ok)
}

fn whole(
    body: &impl Serialize,
    text: &str,
    id: &str,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    if session.output.style().json {
        Ok(session.output.json(body)?)
    } else {
        copy(text.as_bytes(), id, session)
    }
}

// A log as it comes. As JSON it is one object a chunk, so that a reader need not wait for the end.
fn copy(mut log: impl Read, id: &str, session: &mut Session<'_>) -> Result<(), Failure> {
    let mut filter = TerminalFilter::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match log.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::new(
                    Exit::Unreachable,
                    format!("the log of {id} broke off: {error}"),
                )
                .with_remedy("see whether the host still runs: `hersh ps`"));
            }
        };
        let chunk = &buffer[..count];
        if session.output.style().json {
            let line = serde_json::json!({
                "program_id": id,
                "logs": String::from_utf8_lossy(chunk),
            });
            session.output.data(format!("{line}\n"))?;
        } else if session.output.out_is_terminal() {
            session.output.data(filter.filter(chunk))?;
        } else {
            session.output.data(chunk)?;
        }
    }
}

/// The last `count` lines of `text`.
pub(super) fn last_lines(text: &str, count: usize) -> &str {
    let trimmed = text.trim_end_matches('\n');
    match trimmed.rmatch_indices('\n').nth(count.saturating_sub(1)) {
        Some((at, _)) => &trimmed[at + 1..],
        None => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\nb", 5), "a\nb");
        assert_eq!(last_lines("", 5), "");
    }
}
