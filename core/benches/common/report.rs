//! What a run says: a line of JSON for each figure at once, and a table at the end.

use std::time::{Duration, Instant};

use serde_json::json;

/// One figure beside its reference, and beside the bar that it has to clear where there is one.
struct Figure {
    bench: String,
    unit: &'static str,
    value: f64,
    reference: Option<f64>,
    bar: Option<Bar>,
}

/// What the quality chapter asks of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At least this much, in the figure's unit, on the machine that the chapter names.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// At least this share of the reference, which was measured in the same run.
    ShareOfReference(f64),
    /// At most this many times the reference.
    TimesReference(f64),
}

#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        bench: impl Into<String>,
        unit: &'static str,
        value: f64,
        reference: Option<f64>,
        bar: Option<Bar>,
    ) {
        let figure = Figure { bench: bench.into(), unit, value, reference, bar };
        println!(
            "{}",
            json!({
                "bench": figure.bench,
                "unit": unit,
                "value": round(value),
                "reference": reference.map(round),
                "ratio": reference.map(|reference| round(value / reference)),
                "bar": figure.bar.map(Bar::words),
                "met": figure.met(),
            })
        );
        self.figures.push(figure);
    }

    pub(crate) fn print_table(&self) {
        println!();
        println!(
            "{:<60} {:>12} {:<8} {:>12} {:>7}  {:<18} met",
            "bench", "value", "unit", "reference", "ratio", "bar"
        );
        for figure in &self.figures {
            let (reference, ratio) = figure.reference.map_or_else(
                || (String::new(), String::new()),
                |reference| (short(reference), format!("{:.2}", figure.value / reference)),
            );
            let met = match figure.met() {
                None => "",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            println!(
                "{:<60} {:>12} {:<8} {reference:>12} {ratio:>7}  {:<18} {met}",
                figure.bench,
                short(figure.value),
                figure.unit,
                figure.bar.map(Bar::words).unwrap_or_default(),
            );
        }
    }
}

impl Figure {
    fn met(&self) -> Option<bool> {
        let value = self.value;
        match self.bar? {
            Bar::AtLeast(bar) => Some(value >= bar),
            Bar::AtMost(bar) => Some(value <= bar),
            Bar::ShareOfReference(share) => Some(value >= self.reference? * share),
            Bar::TimesReference(times) => Some(value <= self.reference? * times),
        }
    }
}

impl Bar {
    fn words(self) -> String {
        match self {
            Self::AtLeast(bar) => format!(">= {}", short(bar)),
            Self::AtMost(bar) => format!("<= {}", short(bar)),
            Self::ShareOfReference(share) => format!(">= {share:.2} x reference"),
            Self::TimesReference(times) => format!("<= {times:.2} x reference"),
        }
    }
}

/// How many a second.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    as_f64(count) / took.as_secs_f64()
}

/// Nanoseconds for each of so many, done by one call.
pub(crate) fn nanos_each(count: u32, run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

pub(crate) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The given share of the sorted samples lies at or below this one.
pub(crate) fn percentile(samples: &mut [Duration], per_mille: usize) -> Duration {
    samples.sort_unstable();
    samples[(samples.len() - 1) * per_mille / 1000]
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn short(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
