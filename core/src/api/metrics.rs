//! `GET /metrics`: the watcher in the text format that Prometheus reads, version 0.0.4.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::routes::Call;
use crate::http::Response;
use crate::{Histogram, State, Stats, Watcher};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every state, each a series of its own.
const STATES: [State; 8] = [
    State::NotRun,
    State::InitRun,
    State::Ready,
    State::Running,
    State::Stopped,
    State::Killed,
    State::Crashed,
    State::WaitRecover,
];

pub(super) fn metrics(call: &mut Call<'_, '_>) -> Response {
    let watcher = call.watcher;
    let labels =
        format!("watcher=\"{}\",watcher_id=\"{}\"", Escaped(watcher.name()), Escaped(watcher.id()));
    let mut page = Page { text: String::with_capacity(8 * 1024), labels };
    page.stats(&watcher.stats());
    page.sizes(watcher);
    Response::bytes(200, CONTENT_TYPE, page.text.into_bytes()).header("Cache-Control", "no-store")
}

/// The text so far, and the labels that every series has.
struct Page {
    text: String,
    labels: String,
}

impl Page {
    fn stats(&mut self, stats: &Stats) {
        let (counters, queue) = (&stats.counters, &stats.queue);
        self.gauge("up", "Whether a session is under way.", u8::from(stats.state.is_live()));
        self.begin("state", "gauge", "1 for the state that the watcher is in.");
        for state in STATES {
            let is = u8::from(state == stats.state);
            self.series("state", &format!(",state=\"{state}\""), is);
        }
        self.gauge("uptime_seconds", "How long the session has lasted.", Seconds(stats.uptime));
        for (name, help, count) in [
            ("executions_total", "Runs of the managed function that began.", counters.executions),
            ("errors_total", "Executions that returned a normal error.", counters.errors),
            ("crashes_total", "Executions that crashed or panicked.", counters.crashes),
            ("retries_total", "Retries that began after a crash.", counters.retries),
            ("timeouts_total", "Executions that passed their deadline.", counters.timeouts),
            ("skipped_ticks_total", "Ticks that were skipped.", counters.skipped_ticks),
            ("watch_errors_total", "Polls that failed.", counters.watch_errors),
            ("state_faults_total", "Events that their state refused.", counters.state_faults),
        ] {
            self.begin(name, "counter", help);
            self.series(name, "", count);
        }
        self.begin("queue_depth", "gauge", "Signals that wait, by class.");
        let classes =
            [("manager_inner", queue.manager_inner), ("user", queue.user), ("var", queue.var)];
        for (class, depth) in classes {
            self.series("queue_depth", &format!(",class=\"{class}\""), depth);
        }
        self.histogram(&counters.execution_time);
    }

    fn histogram(&mut self, times: &Histogram) {
        const NAME: &str = "execution_seconds";
        self.begin(NAME, "histogram", "How long executions took.");
        let mut below = 0;
        for (end, count) in times.buckets() {
            below += count;
            let end = end.map_or_else(|| "+Inf".to_owned(), |end| Seconds(end).to_string());
            self.series("execution_seconds_bucket", &format!(",le=\"{end}\""), below);
        }
        self.series("execution_seconds_sum", "", Seconds(times.sum()));
        self.series("execution_seconds_count", "", below);
    }

    fn sizes(&mut self, watcher: &Watcher) {
        let config = watcher.config();
        let variables = watcher.cell().lock().brain.vars().len();
        self.gauge("watched_variables", "Variables that are watched.", variables);
        self.gauge("queue_capacity", "User messages that may wait.", config.signal_capacity);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, "gauge", help);
        self.series(name, "", value);
    }

    /// Writing to a string cannot fail.
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP hersh_{name} {help}\n# TYPE hersh_{name} {kind}");
    }

    fn series(&mut self, name: &str, more: &str, value: impl Display) {
        let _ = writeln!(self.text, "hersh_{name}{{{}{more}}} {value}", self.labels);
    }
}

/// A duration as Prometheus counts it.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

/// The value of a label, in which a quote, a backslash and a line end would break the line.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_its_line() {
        assert_eq!(Escaped("a\"b\\c\nd ä").to_string(), "a\\\"b\\\\c\\nd ä");
    }

    #[test]
    fn buckets_are_cumulative_and_in_seconds() {
        let mut times = Histogram::default();
        for micros in [1, 3, 3, 40_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let mut page = Page { text: String::new(), labels: "watcher=\"w\"".to_owned() };
        page.histogram(&times);
        for line in [
            "# TYPE hersh_execution_seconds histogram",
            "hersh_execution_seconds_bucket{watcher=\"w\",le=\"0.000001\"} 1",
            "hersh_execution_seconds_bucket{watcher=\"w\",le=\"0.000002\"} 1",
            "hersh_execution_seconds_bucket{watcher=\"w\",le=\"0.000004\"} 3",
            "hersh_execution_seconds_bucket{watcher=\"w\",le=\"33.554432\"} 3",
            "hersh_execution_seconds_bucket{watcher=\"w\",le=\"+Inf\"} 4",
            "hersh_execution_seconds_sum{watcher=\"w\"} 40.000007",
            "hersh_execution_seconds_count{watcher=\"w\"} 4",
        ] {
            assert!(page.text.lines().any(|written| written == line), "{line}\n{}", page.text);
        }
    }
}
