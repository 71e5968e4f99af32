//! `GET /watcher/events`: what happens, as it happens, as server-sent events.
//!
//! A follower reads from the bounded logs, at its own speed, and nobody keeps anything for it. The
//! id of an event is its place among all entries of all logs, so a follower that comes again with
//! `Last-Event-ID` goes on behind the last one it read, as far as the logs reach back. One that is
//! so slow that entries are gone before it has read them is told how many, and let go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::format::rfc3339;
use super::routes::Call;
use crate::LogKind;
use crate::brain::{Change, Ending, Record};
use crate::drive::Cell;
use crate::http::{EventSource, EventStream, EventWords, Response};
use crate::observe::{Entry, News};

/// How long a follower waits for news before it lets the gate look whether its client is still
/// there, and whether the server ends.
const PATIENCE: Duration = Duration::from_millis(250);

pub(super) const CONTENT_TYPE: &str = EventStream::CONTENT_TYPE;

pub(super) fn events(call: &mut Call<'_, '_>) -> Response {
    let last = call.request.header("last-event-id").filter(|id| !id.is_empty());
    let Ok(last) = last.map(str::parse::<u64>).transpose() else {
        return Response::error(400, "Last-Event-ID must be the id of an event");
    };
    let follower = Follower { cell: Arc::clone(call.watcher.cell()), last, place: 0 };
    EventStream::new(follower).into_response()
}

/// One client's place in the logs. Holds the cell, and not the watcher: following keeps no watcher
/// alive.
struct Follower {
    cell: Arc<Cell>,
    /// The event after which it goes on; without one it begins with what happens next.
    last: Option<u64>,
    place: u64,
}

impl EventSource for Follower {
    fn begin(&mut self, words: &mut EventWords) {
        let inner = self.cell.lock();
        let newest = inner.logs.written();
        let reaches_back_to = inner.logs.after(0).missed;
        drop(inner);
        let missed = match self.last {
            None => {
                self.place = newest;
                None
            }
            // An id from before this process: nobody knows how much has been missed since.
            Some(last) if last > newest => {
                self.place = reaches_back_to;
                Some(Json::Null)
            }
            Some(last) => {
                self.place = last.max(reaches_back_to);
                (last < reaches_back_to).then(|| (reaches_back_to - last).into())
            }
        };
        match missed {
            Some(missed) => self.lost(&missed, words),
            None => words.place(self.place),
        }
    }

    fn next(&mut self, words: &mut EventWords) -> bool {
        let News { missed, place, entries } = self.cell.news(self.place, PATIENCE);
        if missed > 0 {
            self.place += missed;
            self.lost(&missed.into(), words);
            return false;
        }
        self.place = place;
        for (kind, id, entry) in &entries {
            let (name, data) = self.worded(*kind, *id, entry);
            words.event(entry.place(), name, &data);
        }
        true
    }
}

impl Follower {
    fn lost(&self, missed: &Json, words: &mut EventWords) {
        words.event(self.place, "lost", &json!({ "missed": missed }));
    }

    fn worded(&self, kind: LogKind, id: u64, entry: &Entry) -> (&'static str, Json) {
        let (name, mut data) = entry.fact().map_or_else(|| ("log", json!({})), fact);
        data["log"] = kind.as_str().into();
        data["id"] = id.into();
        data["createdAt"] = rfc3339(self.cell.body.wall(entry.at())).into();
        data["text"] = entry.to_string().into();
        (name, data)
    }
}

/// The kind of event that a fact is, and its parts.
fn fact(record: &Record) -> (&'static str, Json) {
    match record {
        Record::Transition(transition) => (
            "transition",
            json!({
                "from": transition.from.as_str(),
                "to": transition.to.as_str(),
                "cause": transition.cause.to_string(),
            }),
        ),
        Record::Began { execution, attempt, trigger, more, message } => (
            "execution",
            json!({
                "phase": "began",
                "execution": execution,
                "attempt": attempt,
                "trigger": trigger.as_str(),
                "message": message,
                "changes": trigger.changes().iter().map(change).collect::<Vec<_>>(),
                "moreChanges": more,
            }),
        ),
        Record::Ended { execution, ending, took, timed_out } => {
            let (outcome, words) = outcome(ending);
            (
                "execution",
                json!({
                    "phase": "ended",
                    "execution": execution,
                    "outcome": outcome,
                    "words": words,
                    "seconds": took.as_secs_f64(),
                    "timedOut": timed_out,
                }),
            )
        }
        Record::TimedOut { execution } => {
            ("execution", json!({ "phase": "timedOut", "execution": execution }))
        }
        Record::WatchError { .. } | Record::Fault(_) => ("log", json!({})),
    }
}

/// A change as it is shown in a log: values cut short if they are long.
fn change(change: &Change) -> Json {
    json!({
        "name": change.name(),
        "old": change.old().map(ToString::to_string),
        "new": change.new_value().to_string(),
    })
}

fn outcome(ending: &Ending) -> (&'static str, Option<&str>) {
    match ending {
        Ending::Done => ("done", None),
        Ending::Failed(words) => ("failed", Some(words)),
        Ending::Stop(words) => ("stop", Some(words)),
        Ending::Kill(words) => ("kill", Some(words)),
        Ending::Crash(words) => ("crash", Some(words)),
        Ending::Panicked(words) => ("panicked", Some(words)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;
    use crate::Watcher;

    const HEARTBEAT: Duration = Duration::from_secs(15);

    /// A watcher whose logs keep four lines.
    fn watcher() -> Watcher {
        let config = crate::Config { max_log_entries: 4, ..crate::Config::default() };
        Watcher::builder().config(config).build().unwrap()
    }

    fn say(watcher: &Watcher, words: &str) {
        watcher.cell().log(&mut watcher.cell().lock(), words);
    }

    fn follow(watcher: &Watcher, last: Option<u64>, heartbeat: Duration) -> EventStream<Follower> {
        let follower = Follower { cell: Arc::clone(watcher.cell()), last, place: 0 };
        EventStream::with_heartbeat(follower, heartbeat)
    }

    fn next(follower: &mut EventStream<Follower>) -> String {
        let mut buffer = [0; 4096];
        let count = follower.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_follower_that_is_too_slow_is_told_and_let_go() {
        let watcher = watcher();
        let mut follower = follow(&watcher, None, HEARTBEAT);
        assert_eq!(next(&mut follower), "retry: 1000\nid: 0\n\n");
        for line in 0..4 {
            say(&watcher, &line.to_string());
        }
        assert_eq!(next(&mut follower).matches("event: log\n").count(), 4);
        for line in 0..7 {
            say(&watcher, &line.to_string());
        }
        assert_eq!(next(&mut follower), "id: 7\nevent: lost\ndata: {\"missed\":3}\n\n");
        assert_eq!(next(&mut follower), "", "the end");
        let mut again = follow(&watcher, Some(7), HEARTBEAT);
        assert_eq!(next(&mut again), "retry: 1000\nid: 7\n\n");
        assert_eq!(next(&mut again).matches("event: log\n").count(), 4, "and none is missed");
    }

    #[test]
    fn one_that_comes_again_late_is_told_and_goes_on() {
        let watcher = watcher();
        for line in 0..10 {
            say(&watcher, &line.to_string());
        }
        for (last, missed) in [(2, "4"), (1000, "null")] {
            let mut follower = follow(&watcher, Some(last), HEARTBEAT);
            let lost =
                format!("retry: 1000\nid: 6\nevent: lost\ndata: {{\"missed\":{missed}}}\n\n");
            assert_eq!(next(&mut follower), lost);
            assert!(next(&mut follower).starts_with("id: 7\nevent: log\n"));
        }
    }

    #[test]
    fn silence_is_broken_by_comments() {
        let watcher = watcher();
        let mut follower = follow(&watcher, None, Duration::ZERO);
        next(&mut follower);
        assert_eq!(next(&mut follower), ": nothing new\n\n");
        let mut patient = follow(&watcher, None, HEARTBEAT);
        next(&mut patient);
        let waited = patient.read(&mut [0; 64]).unwrap_err();
        assert_eq!(waited.kind(), io::ErrorKind::TimedOut, "so that the gate can look around");
    }

    #[test]
    fn small_buffers_lose_nothing() {
        let watcher = watcher();
        let mut follower = follow(&watcher, None, HEARTBEAT);
        next(&mut follower);
        say(&watcher, "ä\n\"b\"");
        let mut whole = Vec::new();
        while !whole.ends_with(b"\n\n") {
            let mut small = [0; 3];
            let count = follower.read(&mut small).unwrap();
            whole.extend_from_slice(&small[..count]);
        }
        let whole = String::from_utf8(whole).unwrap();
        assert_eq!(whole.lines().count(), 4, "a line end in a value ends no line: {whole}");
        assert!(whole.contains(r#""text":"ä\n\"b\"""#), "{whole}");
    }

    #[test]
    fn nobody_is_told_where_nobody_waits() {
        let watcher = watcher();
        say(&watcher, "one");
        assert!(!watcher.cell().lock().logs.is_awaited());
        let mut follower = follow(&watcher, Some(0), HEARTBEAT);
        next(&mut follower);
        next(&mut follower);
        let waiting = std::thread::spawn(move || next(&mut follower));
        while !watcher.cell().lock().logs.is_awaited() {
            std::thread::yield_now();
        }
        say(&watcher, "two");
        assert!(!watcher.cell().lock().logs.is_awaited(), "told once");
        assert!(waiting.join().unwrap().contains("two"));
    }
}
