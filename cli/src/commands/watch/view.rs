//! A watcher as text: a picture for a terminal, lines for everything else.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value as Json;

use super::snapshot::Snapshot;
use crate::client::sse::Event;
use crate::output::screen::Size;
use crate::output::text::one_line;
use crate::wire::ProgramBody;

// Events that are remembered for the picture: more than the largest terminal has lines.
const REMEMBERED: usize = 200;
// The least that each part of the picture gets, when there is not room for all of them.
const LEAST: usize = 3;

/// The picture: what is known of the watcher, to be drawn at any size.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) program: ProgramBody,
    pub(super) snapshot: Option<Snapshot>,
    events: VecDeque<String>,
}

impl Picture {
    /// Of this program, with what is known of its watcher.
    pub(super) fn of(program: ProgramBody, snapshot: Option<Snapshot>) -> Self {
        Self { program, snapshot, events: VecDeque::new() }
    }

    /// Remembers something that happened.
    pub(super) fn happened(&mut self, event: &Event) {
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(event_line(event));
    }

    /// The lines of the picture; without a size, all of them.
    pub(super) fn lines(&self, size: Option<Size>) -> Vec<String> {
        let mut lines = self.head();
        let Some(snapshot) = &self.snapshot else {
            lines.extend([String::new(), "its watcher is not to be seen now".to_owned()]);
            return lines;
        };
        let sections = [
            section("VALUES", entries(&snapshot.named("contextValues"))),
            section("VARIABLES", entries(&snapshot.named("variables"))),
            section(&signals_heading(&snapshot.signals), signals(&snapshot.signals)),
            section("EVENTS", self.events.iter().cloned().collect()),
        ];
        let room = size.map(|size| size.rows.saturating_sub(lines.len()));
        let sections: Vec<_> = sections.into_iter().flatten().collect();
        let shares = shares(&sections, room);
        for (section, share) in sections.into_iter().zip(shares) {
            lines.push(String::new());
            lines.push(section.heading);
            // Of what happened the newest counts, and of names the first.
            let skipped = section.lines.len().saturating_sub(share);
            let from = if section.newest_last { skipped } else { 0 };
            lines.extend(section.lines.into_iter().skip(from).take(share));
        }
        lines
    }

    fn head(&self) -> Vec<String> {
        let program = &self.program;
        let mut lines = vec![joined(&[program.label(), &program.state, &program.proxy_url])];
        if !program.error_msg.is_empty() {
            lines.push(one_line(&program.error_msg).into_owned());
        }
        if let Some(Snapshot { state, .. }) = &self.snapshot {
            lines.push(joined(&[
                &text(state, "state"),
                &format!("up {}", text(state, "uptime")),
                &count(state, "executionCount", "executions"),
                &count(state, "errorCount", "errors"),
                &count(state, "crashCount", "crashes"),
            ]));
            if let Some(error) = state["lastError"].as_str() {
                lines.push(format!("last error: {}", one_line(error)));
            }
        }
        lines
    }
}

struct Section {
    heading: String,
    lines: Vec<String>,
    newest_last: bool,
}

fn section(heading: &str, lines: Vec<String>) -> Option<Section> {
    let newest_last = heading == "EVENTS" || heading.starts_with("SIGNALS");
    let some = !lines.is_empty() || heading.starts_with("SIGNALS");
    some.then(|| Section { heading: heading.to_owned(), lines, newest_last })
}

// How many lines of each section are shown: all, where there is room; else the least for each, and
// the rest in the order in which they stand.
fn shares(sections: &[Section], room: Option<usize>) -> Vec<usize> {
    let wanted: Vec<_> = sections.iter().map(|section| section.lines.len()).collect();
    let Some(room) = room else { return wanted };
    // A heading and the empty line above it.
    let mut left = room.saturating_sub(2 * sections.len());
    let mut shares: Vec<_> = wanted.iter().map(|wanted| (*wanted).min(LEAST)).collect();
    left = left.saturating_sub(shares.iter().sum());
    for (share, wanted) in shares.iter_mut().zip(&wanted) {
        let more = (wanted - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

fn entries(named: &[(String, String)]) -> Vec<String> {
    let width = named.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        format!("  {:width$}  {}", one_line(name), one_line(value))
    };
    named.iter().map(line).collect()
}

fn signals_heading(signals: &Json) -> String {
    format!("SIGNALS  {} waiting", signals["totalPending"].as_u64().unwrap_or(0))
}

fn signals(signals: &Json) -> Vec<String> {
    let recent = signals["recentSignals"].as_array().into_iter().flatten();
    let line = |signal: &Json| {
        let time = clock(&text(signal, "createdAt"));
        format!("  {time}  {:<8}  {}", text(signal, "type"), one_line(&text(signal, "content")))
    };
    recent.map(line).collect()
}

/// One event as a line, with its time of day.
pub(super) fn event_line(event: &Event) -> String {
    let data: Json = serde_json::from_str(&event.data).unwrap_or_default();
    let words = match event.kind.as_str() {
        "lost" => format!("{} events were missed", data["missed"]),
        _ => text(&data, "text"),
    };
    format!("  {}  {:<10}  {}", clock(&text(&data, "createdAt")), event.kind, one_line(&words))
}

/// What is another value now than it was, as `name = value`, and what is known from now on.
pub(super) fn differences(
    known: &mut BTreeMap<String, String>,
    snapshot: &Snapshot,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in ["contextValues", "variables"].iter().flat_map(|w| snapshot.named(w)) {
        if known.get(&name) != Some(&value) {
            lines.push(format!("{} = {}", one_line(&name), one_line(&value)));
            known.insert(name, value);
        }
    }
    lines
}

// The time of day of an RFC 3339 time, to the second.
fn clock(time: &str) -> String {
    let clock = time.split_once('T').map_or("", |(_, clock)| clock);
    clock.get(..8).unwrap_or("--:--:--").to_owned()
}

fn text(json: &Json, key: &str) -> String {
    json[key].as_str().unwrap_or_default().to_owned()
}

fn count(json: &Json, key: &str, of: &str) -> String {
    format!("{} {of}", json[key].as_u64().unwrap_or(0))
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).copied().collect();
    one_line(&parts.join("  ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let snapshot = Snapshot {
            state: serde_json::json!({"state": "Ready", "uptime": "1m5s", "executionCount": 12,
                "errorCount": 1, "crashCount": 0, "lastError": "no \u{1b}[2Jnetwork"}),
            var_state: serde_json::json!({
                "contextValues": {"answer": "added 40", "count": {"ticks": 5}},
                "variables": {"tick": {"count": 5}},
            }),
            signals: serde_json::json!({"totalPending": 1, "recentSignals": [
                {"type": "user", "content": "add 40", "createdAt": "2026-01-01T00:00:01.5Z"},
            ]}),
        };
        let program = ProgramBody {
            name: Some("counter".into()),
            state: "Ready".into(),
            proxy_url: "http://localhost:19001".into(),
            ..ProgramBody::default()
        };
        let mut picture = Picture::of(program, Some(snapshot));
        for second in 0..9 {
            let data = serde_json::json!({
                "createdAt": format!("2026-01-01T00:00:0{second}Z"),
                "text": "Ready -> Running: message 1",
            });
            let data = data.to_string();
            picture.happened(&Event { id: String::new(), kind: "transition".into(), data });
        }
        picture
    }

    #[test]
    fn a_picture_of_a_watcher() {
        let lines = picture().lines(None).join("\n") + "\n";
        assert_eq!(lines, include_str!("../../../tests/snapshots/watch.txt"));
    }

    #[test]
    fn a_small_terminal_shows_some_of_everything() {
        let size = Size { columns: 80, rows: 18 };
        let lines = picture().lines(Some(size));
        assert_eq!(lines.len(), 18, "{lines:#?}");
        assert!(lines[17].contains("00:00:08"), "the newest event: {lines:#?}");
        let tiny = picture().lines(Some(Size { columns: 80, rows: 3 }));
        assert!(tiny[0].starts_with("counter"), "{tiny:#?}");
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut known = BTreeMap::new();
        let mut snapshot = picture().snapshot.unwrap();
        let all = ["answer = added 40", "count = {\"ticks\":5}", "tick = {\"count\":5}"];
        assert_eq!(differences(&mut known, &snapshot), all);
        assert_eq!(differences(&mut known, &snapshot), [""; 0]);
        snapshot.var_state["contextValues"]["answer"] = "x\ny".into();
        assert_eq!(differences(&mut known, &snapshot), ["answer = x\\ny"]);
    }

    #[test]
    fn a_program_that_is_away_is_told_so() {
        let away = Picture { snapshot: None, ..picture() };
        let lines = away.lines(None);
        assert_eq!(lines[2], "its watcher is not to be seen now");
    }
}
