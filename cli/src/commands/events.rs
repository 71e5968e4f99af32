//! `hersh events`

use std::time::Duration;

use serde_json::Value as Json;

use super::{Session, find};
use crate::args::EventsArgs;
use crate::client::Client;
use crate::client::sse::Event;
use crate::output::text::one_line;
use crate::output::{Exit, Failure};
use crate::wire::{EventBody, EventsBody};

// A stream that ended is asked for again after so long.
const COME_AGAIN: Duration = Duration::from_millis(500);

pub(super) fn run(args: &EventsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let Some(name) = &args.name else {
        let after = Some(args.after).filter(|after| *after > 0);
        return follow(&client, None, after, session);
    };
    let program = find(&client, name)?;
    let id = program.program_id.clone();
    let events = client.events(&id, args.after)?;
    if session.output.style().json && !args.follow {
        let count = events.len();
        session.output.json(&EventsBody { program_id: id, events, count })?;
        return Ok(Exit::Ok);
    }
    for event in &events {
        print(event, false, session)?;
    }
    if args.follow {
        let after = events.last().map_or(args.after, |event| event.seq);
        return follow(&client, Some(&id), Some(after), session);
    }
    if events.is_empty() {
        session.output.say(format!("nothing has happened to {} yet", program.label()));
    }
    Ok(Exit::Ok)
}

// Until Ctrl-C, until the host ends, or until the program is removed. A stream that ends otherwise
// is taken up where it was.
fn follow(
    client: &Client,
    id: Option<&str>,
    after: Option<i64>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut after = after;
    loop {
        let mut events = client.follow_events(id, after)?;
        while let Ok(Some(event)) = events.next_event() {
            after = event.id.parse().ok().or(after);
            if shown(&event, id.is_none(), session)? && id.is_some() {
                return Ok(Exit::Ok);
            }
        }
        std::thread::sleep(COME_AGAIN);
    }
}

// Shows an event, and returns whether it is a program's last.
fn shown(event: &Event, of_all: bool, session: &mut Session<'_>) -> Result<bool, Failure> {
    if event.kind != "program" {
        session.output.warn(format!("{}: {}", event.kind, event.data));
        return Ok(false);
    }
    let event: EventBody = serde_json::from_str(&event.data).map_err(|error| {
        Failure::new(Exit::Unreachable, format!("the host told an event that is none: {error}"))
            .with_remedy("see whether the command and the host are of one version: `hersh -V`")
    })?;
    print(&event, of_all, session)?;
    Ok(event.to == "Removed")
}

fn print(event: &EventBody, of_all: bool, session: &mut Session<'_>) -> Result<(), Failure> {
    if session.output.style().json {
        session.output.data(format!("{}\n", serde_json::json!(event)))?;
    } else {
        let whose = if of_all { format!("{}  ", event.program_id) } else { String::new() };
        session.output.data(one_line(&whose).into_owned() + &line(event))?;
    }
    Ok(())
}

fn line(event: &EventBody) -> String {
    let change = if event.from == event.to {
        event.to.clone()
    } else {
        format!("{} -> {}", event.from, event.to)
    };
    let detail = detail(&event.detail);
    let line = format!("{}  {:<20}  {change}  {detail}", event.at, event.event);
    format!("{}\n", one_line(line.trim_end()))
}

// What came with it, but for what stands in the line already.
fn detail(detail: &Json) -> String {
    let plain = |value: &Json| {
        // Of a result what it is: the change of state says already whether it is good.
        let value = value.get("Ok").or(value.get("Err")).unwrap_or(value);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    match detail {
        Json::Null => String::new(),
        Json::Object(fields) => {
            let told = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "type" | "attempt"));
            let told = told.map(|(key, value)| format!("{key}={}", plain(value)));
            told.collect::<Vec<_>>().join(" ")
        }
        other => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let mut event = EventBody {
            seq: 3,
            program_id: String::new(),
            at: "2026-01-01T00:00:00.000Z".into(),
            event: "RuntimeExited".into(),
            detail: serde_json::json!({"type": "RuntimeExited", "exit_code": 3, "why": "a b"}),
            from: "Ready".into(),
            to: "Error".into(),
            attempt: 1,
        };
        let wanted =
            "2026-01-01T00:00:00.000Z  RuntimeExited         Ready -> Error  exit_code=3 why=a b\n";
        assert_eq!(line(&event), wanted);
        event.detail = serde_json::json!({"outcome": {"Ok": "sha256:0"}});
        assert!(line(&event).ends_with("  outcome=sha256:0\n"), "{}", line(&event));
        event.detail = serde_json::Value::String("a\x1b[2J\nb".into());
        event.from = "Error".into();
        assert!(line(&event).ends_with("  Error  a\\u{1b}[2J\\nb\n"), "{}", line(&event));
    }
}
