//! What a host counts from when it was opened, for its metrics.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hersh::http::{MetricsPage, Seconds};

use crate::program::{Answer, Event, Reduced};

/// The upper ends of the classes that builds are counted in, in seconds.
const BUILD_SECONDS: [u64; 10] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900];

/// Builds by how long they took.
#[derive(Debug, Clone, Default)]
struct BuildTimes {
    within: [u64; BUILD_SECONDS.len()],
    count: u64,
    sum: Duration,
}

/// What a host has counted. Usable from any thread.
#[derive(Debug)]
pub(super) struct Counts {
    since: Instant,
    restarts: AtomicU64,
    exits: AtomicU64,
    silences: AtomicU64,
    built: AtomicU64,
    not_built: AtomicU64,
    builds: Mutex<BuildTimes>,
    /// Requests to the API, by method and code.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            restarts: AtomicU64::default(),
            exits: AtomicU64::default(),
            silences: AtomicU64::default(),
            built: AtomicU64::default(),
            not_built: AtomicU64::default(),
            builds: Mutex::default(),
            requests: Mutex::default(),
        }
    }
}

impl Counts {
    /// Something happened to a program.
    pub(super) fn happened(&self, event: &Event, after: &Reduced) {
        let count = match (event, &after.answer) {
            (Event::BackoffElapsed { .. }, Answer::Applied) => &self.restarts,
            (Event::RuntimeExited { .. }, Answer::Applied) => &self.exits,
            (Event::RuntimeSilent { .. }, Answer::Applied) => &self.silences,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A build took so long, and succeeded or not.
    pub(super) fn built(&self, took: Duration, succeeded: bool) {
        let count = if succeeded { &self.built } else { &self.not_built };
        count.fetch_add(1, Ordering::Relaxed);
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        builds.count += 1;
        builds.sum += took;
        for (within, end) in builds.within.iter_mut().zip(BUILD_SECONDS) {
            *within += u64::from(took <= Duration::from_secs(end));
        }
    }

    /// The API answered a request.
    pub(super) fn answered(&self, method: &'static str, code: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((method, code)).or_default() += 1;
    }

    /// Adds all of it to a page.
    pub(super) fn render(&self, page: &mut MetricsPage) {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let up = Seconds(self.since.elapsed());
        page.gauge("uptime_seconds", "How long the host has been open.", up);
        let help = "Programs that their restart policy brought back.";
        page.counter("restarts_total", help, get(&self.restarts));
        page.counter("exits_total", "Programs that ended by themselves.", get(&self.exits));
        let help = "Programs that were Ready and stopped answering.";
        page.counter("silences_total", help, get(&self.silences));
        page.family("builds_total", "counter", "Builds, by how they ended.");
        for (outcome, count) in [("built", &self.built), ("failed", &self.not_built)] {
            page.series("builds_total", &[("outcome", outcome)], get(count));
        }
        let builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.family("build_seconds", "histogram", "How long builds took.");
        for (within, end) in builds.within.iter().zip(BUILD_SECONDS) {
            page.series("build_seconds_bucket", &[("le", &end.to_string())], within);
        }
        page.series("build_seconds_bucket", &[("le", "+Inf")], builds.count);
        page.series("build_seconds_sum", &[], Seconds(builds.sum));
        page.series("build_seconds_count", &[], builds.count);
        page.family("api_requests_total", "counter", "Requests to the API, by method and code.");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((method, code), count) in requests {
            let labels = [("method", method), ("code", &code.to_string())];
            page.series("api_requests_total", &labels, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_counted_in_classes_that_include_the_shorter_ones() {
        let counts = Counts::default();
        counts.built(Duration::from_secs(2), true);
        counts.built(Duration::from_secs(3), true);
        counts.built(Duration::from_secs(3600), false);
        counts.answered("GET", 200);
        counts.answered("GET", 200);
        let mut page = MetricsPage::new("hersh_host_", &[]);
        counts.render(&mut page);
        for line in [
            "hersh_host_builds_total{outcome=\"built\"} 2",
            "hersh_host_builds_total{outcome=\"failed\"} 1",
            "hersh_host_build_seconds_bucket{le=\"1\"} 0",
            "hersh_host_build_seconds_bucket{le=\"2\"} 1",
            "hersh_host_build_seconds_bucket{le=\"900\"} 2",
            "hersh_host_build_seconds_bucket{le=\"+Inf\"} 3",
            "hersh_host_build_seconds_sum 3605",
            "hersh_host_api_requests_total{method=\"GET\",code=\"200\"} 2",
        ] {
            assert!(page.text().lines().any(|written| written == line), "{line}\n{}", page.text());
        }
    }
}
