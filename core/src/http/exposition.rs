//! Figures in the text format that Prometheus reads, version 0.0.4.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::response::Response;
use crate::Histogram;

/// A page of figures. Names are given without the prefix that all of them begin with.
///
/// # Examples
///
/// ```
/// let mut page = hersh::http::MetricsPage::new("shop_", &[("branch", "north")]);
/// page.gauge("open", "Whether it is open.", 1);
/// page.family("visits_total", "counter", "Visits, by door.");
/// page.series("visits_total", &[("door", "left")], 7);
/// assert!(page.text().ends_with("shop_visits_total{branch=\"north\",door=\"left\"} 7\n"));
/// ```
#[derive(Clone, Debug)]
pub struct MetricsPage {
    text: String,
    prefix: &'static str,
    /// Those that every series has, as they are written.
    labels: String,
}

impl MetricsPage {
    /// The media type of such a page.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// An empty page whose every name begins with `prefix`, and whose every series has `labels`.
    pub fn new(prefix: &'static str, labels: &[(&str, &str)]) -> Self {
        let mut page =
            Self { text: String::with_capacity(8 * 1024), prefix, labels: String::new() };
        for (name, value) in labels {
            push_label(&mut page.labels, name, value);
        }
        page
    }

    /// Begins a family of series: its name, its kind (`counter`, `gauge` or `histogram`), and what
    /// it is, in one sentence.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = self.prefix;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}");
    }

    /// A series of the family begun last, and its value.
    pub fn series(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut all = self.labels.clone();
        for (name, value) in labels {
            push_label(&mut all, name, value);
        }
        let prefix = self.prefix;
        let _ = match all.as_str() {
            "" => writeln!(self.text, "{prefix}{name} {value}"),
            all => writeln!(self.text, "{prefix}{name}{{{all}}} {value}"),
        };
    }

    /// A family of one series that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.series(name, &[], value);
    }

    /// A family of one series that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.series(name, &[], value);
    }

    /// A family of the buckets, the sum and the number of some durations, in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, times: &Histogram) {
        self.family(name, "histogram", help);
        let mut below = 0;
        for (end, count) in times.buckets() {
            below += count;
            let end = end.map_or_else(|| "+Inf".to_owned(), |end| Seconds(end).to_string());
            self.series(&format!("{name}_bucket"), &[("le", &end)], below);
        }
        self.series(&format!("{name}_sum"), &[], Seconds(times.sum()));
        self.series(&format!("{name}_count"), &[], below);
    }

    /// Figures that were written elsewhere, in the same format, with a line end at the end.
    pub fn append(&mut self, written: &str) {
        self.text.push_str(written);
    }

    /// The page so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The answer that is this page.
    pub fn into_response(self) -> Response {
        Response::bytes(200, Self::CONTENT_TYPE, self.text.into_bytes())
            .header("Cache-Control", "no-store")
    }
}

/// A duration as Prometheus counts it.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

/// A quote, a backslash and a line end in a value would break the line.
fn push_label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            other => labels.push(other),
        }
    }
    labels.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_its_line() {
        let mut page = MetricsPage::new("p_", &[("a", "a\"b\\c\nd ä")]);
        page.gauge("x", "X.", 1);
        let line = "p_x{a=\"a\\\"b\\\\c\\nd ä\"} 1\n";
        assert_eq!(page.text(), format!("# HELP p_x X.\n# TYPE p_x gauge\n{line}"));
    }

    #[test]
    fn without_labels_there_are_no_braces() {
        let mut page = MetricsPage::new("", &[]);
        page.counter("n_total", "N.", 3);
        assert!(page.text().ends_with("\nn_total 3\n"));
    }

    #[test]
    fn buckets_are_cumulative_and_in_seconds() {
        let mut times = Histogram::default();
        for micros in [1, 3, 3, 40_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let mut page = MetricsPage::new("hersh_", &[("watcher", "w")]);
        page.histogram("execution_seconds", "How long executions took.", &times);
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
            assert!(page.text().lines().any(|written| written == line), "{line}\n{}", page.text());
        }
    }
}
