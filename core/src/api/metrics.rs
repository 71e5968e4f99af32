//! `GET /metrics`: the watcher in the text format that Prometheus reads, version 0.0.4.

use super::routes::Call;
use crate::http::{MetricsPage, Response, Seconds};
use crate::{State, Stats, Watcher};

pub(super) const CONTENT_TYPE: &str = MetricsPage::CONTENT_TYPE;

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
    let labels = [("watcher", watcher.name()), ("watcher_id", watcher.id())];
    let mut page = MetricsPage::new("hersh_", &labels);
    stats(&mut page, &watcher.stats());
    sizes(&mut page, watcher);
    page.into_response()
}

fn stats(page: &mut MetricsPage, stats: &Stats) {
    let (counters, queue) = (&stats.counters, &stats.queue);
    page.gauge("up", "Whether a session is under way.", u8::from(stats.state.is_live()));
    page.family("state", "gauge", "1 for the state that the watcher is in.");
    for state in STATES {
        let is = u8::from(state == stats.state);
        page.series("state", &[("state", state.as_str())], is);
    }
    page.gauge("uptime_seconds", "How long the session has lasted.", Seconds(stats.uptime));
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
        page.counter(name, help, count);
    }
    page.family("queue_depth", "gauge", "Signals that wait, by class.");
    let classes =
        [("manager_inner", queue.manager_inner), ("user", queue.user), ("var", queue.var)];
    for (class, depth) in classes {
        page.series("queue_depth", &[("class", class)], depth);
    }
    page.histogram("execution_seconds", "How long executions took.", &counters.execution_time);
}

fn sizes(page: &mut MetricsPage, watcher: &Watcher) {
    let config = watcher.config();
    let variables = watcher.cell().lock().brain.vars().len();
    page.gauge("watched_variables", "Variables that are watched.", variables);
    page.gauge("queue_capacity", "User messages that may wait.", config.signal_capacity);
}
