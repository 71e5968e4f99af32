//! `hersh events`

use std::time::Duration;

use super::{Session, find};
use crate::args::EventsArgs;
use crate::output::text::one_line;
use crate::output::{Exit, Failure};
use crate::wire::{EventBody, EventsBody};

// What happens to a program is seldom; a person does not see the difference to at once.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) fn run(args: &EventsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let program = find(&client, &args.name)?;
    let id = program.program_id.clone();
    let events = client.events(&id, args.after)?;
    let mut after = last(&events, args.after);
    if session.output.style().json && !args.follow {
        let count = events.len();
        session.output.json(&EventsBody { program_id: id, events, count })?;
        return Ok(Exit::Ok);
    }
    print(&events, session)?;
    if events.is_empty() && !args.follow {
        session.output.say(format!("nothing has happened to {} yet", program.label()));
    }
    // Until Ctrl-C, or until the program is gone and the host says so.
    if args.follow {
        loop {
            std::thread::sleep(LOOK_EVERY);
            let events = client.events(&id, after)?;
            after = last(&events, after);
            print(&events, session)?;
        }
    }
    Ok(Exit::Ok)
}

fn last(events: &[EventBody], before: i64) -> i64 {
    events.last().map_or(before, |event| event.seq)
}

fn print(events: &[EventBody], session: &mut Session<'_>) -> Result<(), Failure> {
    for event in events {
        if session.output.style().json {
            session.output.data(format!("{}\n", serde_json::json!(event)))?;
        } else {
            session.output.data(line(event))?;
        }
    }
    Ok(())
}

fn line(event: &EventBody) -> String {
    let change = if event.from == event.to {
        event.to.clone()
    } else {
        format!("{} -> {}", event.from, event.to)
    };
    let detail = match &event.detail {
        serde_json::Value::Null => String::new(),
        serde_json::Value::Object(fields) if fields.is_empty() => String::new(),
        serde_json::Value::String(words) => words.clone(),
        other => other.to_string(),
    };
    let line = format!("{}  {:<20}  {change}  {detail}", event.at, event.event);
    format!("{}\n", one_line(line.trim_end()))
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
            detail: serde_json::json!({"exit_code": 3}),
            from: "Ready".into(),
            to: "Error".into(),
            attempt: 1,
        };
        let wanted =
            "2026-01-01T00:00:00.000Z  RuntimeExited         Ready -> Error  {\"exit_code\":3}\n";
        assert_eq!(line(&event), wanted);
        event.detail = serde_json::Value::String("a\x1b[2J\nb".into());
        event.from = "Error".into();
        assert!(line(&event).ends_with("  Error  a\\u{1b}[2J\\nb\n"), "{}", line(&event));
    }
}
