//! What is shown. Keys are part of the interface: more may be added, none renamed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::format::{rfc3339, uptime};
use super::routes::{self, Call};
use super::secrets::{MASK, looks_secret};
use crate::http::Response;
use crate::{Config, LogKind, MemoEntry, State, Stats, Value, WatchedEntry, Watcher};

/// `GET /watcher/status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status<'a> {
    state: &'static str,
    is_running: bool,
    #[serde(rename = "watcherID")]
    watcher_id: &'a str,
    uptime: String,
    last_update: String,
}

pub(super) fn status(watcher: &Watcher) -> Status<'_> {
    status_of(watcher, &watcher.stats())
}

fn status_of<'a>(watcher: &'a Watcher, stats: &Stats) -> Status<'a> {
    Status {
        state: stats.state.as_str(),
        is_running: stats.state.is_live(),
        watcher_id: watcher.id(),
        uptime: uptime(stats.uptime),
        last_update: rfc3339(stats.last_update),
    }
}

/// `GET /watcher/state`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeState<'a> {
    #[serde(flatten)]
    status: Status<'a>,
    name: &'a str,
    managed: String,
    execution_count: u64,
    error_count: u64,
    crash_count: u64,
    timeout_count: u64,
    retry_count: u64,
    skipped_tick_count: u64,
    watch_error_count: u64,
    state_fault_count: u64,
    uptime_seconds: f64,
    last_error: Option<String>,
    queue: Queue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    user: usize,
    var: usize,
    manager_inner: usize,
}

pub(super) fn state(watcher: &Watcher) -> WholeState<'_> {
    let stats = watcher.stats();
    let (counters, queue) = (&stats.counters, &stats.queue);
    WholeState {
        status: status_of(watcher, &stats),
        name: watcher.name(),
        managed: watcher.managed_name(),
        execution_count: counters.executions,
        error_count: counters.errors,
        crash_count: counters.crashes,
        timeout_count: counters.timeouts,
        retry_count: counters.retries,
        skipped_tick_count: counters.skipped_ticks,
        watch_error_count: counters.watch_errors,
        state_fault_count: counters.state_faults,
        uptime_seconds: stats.uptime.as_secs_f64(),
        last_error: counters.last_error.as_deref().map(str::to_owned),
        queue: Queue { user: queue.user, var: queue.var, manager_inner: queue.manager_inner },
    }
}

/// `GET /watcher/vars`: the environment.
pub(super) fn vars(watcher: &Watcher, show_secrets: bool) -> Json {
    let shown = |(name, value): (&String, &String)| {
        let hidden = !show_secrets && looks_secret(name, value);
        (name.clone(), if hidden { MASK.to_owned() } else { value.clone() })
    };
    let vars: BTreeMap<_, _> = watcher.env().iter().map(shown).collect();
    json!({ "count": vars.len(), "vars": vars, "timestamp": rfc3339(watcher.now()) })
}

/// `GET /watcher/watching`: the names of the watched variables, in the order of registration.
pub(super) fn watching(watcher: &Watcher) -> Json {
    let names: Vec<_> = watcher.watched().into_iter().map(|entry| entry.name).collect();
    json!({ "count": names.len(), "watchedVars": names, "timestamp": rfc3339(watcher.now()) })
}

/// `GET /watcher/memoCache`.
pub(super) fn memo_cache(watcher: &Watcher) -> Json {
    let entries: BTreeMap<_, _> = watcher.memos().into_iter().map(memo).collect();
    json!({ "count": entries.len(), "entries": entries, "timestamp": rfc3339(watcher.now()) })
}

fn memo(entry: MemoEntry) -> (String, Json) {
    let MemoEntry { name, type_name, debug, json } = entry;
    (name, json.unwrap_or_else(|| json!({ "type": type_name, "debug": debug })))
}

/// `GET /watcher/varState`: watched variables that have a value or an error, and context values.
pub(super) fn var_state(watcher: &Watcher) -> Json {
    let variables: BTreeMap<_, _> = watcher.watched().into_iter().filter_map(variable).collect();
    let values: BTreeMap<_, _> =
        watcher.values().into_iter().map(|(key, value)| (key, shown(&value))).collect();
    json!({
        "count": variables.len(),
        "variables": variables,
        "contextValues": values,
        "timestamp": rfc3339(watcher.now()),
    })
}

fn variable(entry: WatchedEntry) -> Option<(String, Json)> {
    let WatchedEntry { name, value, error, .. } = entry;
    let value = value.as_ref().map(shown);
    match error {
        Some(error) => Some((name, json!({ "value": value, "error": error }))),
        None => value.map(|value| (name, value)),
    }
}

/// A value as JSON; one that cannot be is shown as its type and why not.
fn shown(value: &Value) -> Json {
    let unshown =
        |error: serde_json::Error| json!({ "type": value.type_name(), "debug": error.to_string() });
    value.to_json().unwrap_or_else(unshown)
}

/// `GET /watcher/config`.
pub(super) fn config(watcher: &Watcher) -> Json {
    let config = watcher.config();
    let recovery = &config.recovery;
    json!({
        "config": {
            "serverPort": watcher.api_address().map(|address| address.port()),
            "signalChanCapacity": config.signal_capacity,
            "maxLogEntries": config.max_log_entries,
            "maxMemoEntries": config.max_memo_entries,
            "maxWatches": config.max_watches,
            "defaultTimeoutMs": millis(config.default_timeout),
            "stopTimeoutMs": millis(config.stop_timeout),
            "recovery": {
                "maxRetries": recovery.max_retries,
                "retryDelayMs": millis(recovery.retry_delay),
                "backoffFactor": recovery.backoff_factor,
                "maxDelayMs": millis(recovery.max_delay),
                "jitter": recovery.jitter,
            },
            "persist": persist_path(config),
            "journal": journal_path(config),
        },
        "timestamp": rfc3339(watcher.now()),
    })
}

/// The file that keeps context values, if one does.
#[cfg(feature = "persist")]
fn persist_path(config: &Config) -> Option<String> {
    config.persist.as_ref().map(|persist| persist.path.display().to_string())
}

#[cfg(not(feature = "persist"))]
fn persist_path(_: &Config) -> Option<String> {
    None
}

/// The file that records every input, if one does.
#[cfg(feature = "journal")]
fn journal_path(config: &Config) -> Option<String> {
    config.journal.as_ref().map(|journal| journal.path.display().to_string())
}

#[cfg(not(feature = "journal"))]
fn journal_path(_: &Config) -> Option<String> {
    None
}

/// Whole milliseconds, at most what a JSON reader with 64-bit numbers can hold.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /watcher/logs?type=T&limit=N`.
pub(super) fn logs(call: &mut Call<'_, '_>) -> Response {
    match LogQuery::parse(call.request.query().unwrap_or_default()) {
        Ok(query) => {
            // Every key is always there: a log that was not asked for is shown without lines.
            let shown = LogKind::ALL.into_iter().map(|kind| {
                let limit = if query.kinds.contains(&kind) { query.limit } else { 0 };
                let lines = call.watcher.logs(kind, limit).into_iter().map(|line| {
                    json!({ "id": line.id, "createdAt": rfc3339(line.at), "text": line.text })
                });
                (log_key(kind).to_owned(), lines.collect())
            });
            routes::json(&Json::Object(shown.collect()))
        }
        Err(problem) => Response::error(400, &problem),
    }
}

/// Which logs are asked for, and how much of each.
#[derive(Debug, PartialEq)]
struct LogQuery {
    kinds: Vec<LogKind>,
    limit: usize,
}

impl LogQuery {
    /// Lines of each log when the query does not say.
    const LIMIT: usize = 100;

    fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self { kinds: LogKind::ALL.to_vec(), limit: Self::LIMIT };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (key, value) {
                ("type", "all") => parsed.kinds = LogKind::ALL.to_vec(),
                ("type", name) => {
                    parsed.kinds = vec![name.parse().map_err(|error| format!("{error}, all"))?];
                }
                ("limit", digits) => {
                    parsed.limit = digits.parse().map_err(|_| "limit must be a number")?;
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// A fuzzer's words as a query: what is understood can be asked for.
#[cfg(all(any(test, fuzzing), feature = "sim"))]
pub(super) fn any_query(query: &str) {
    if let Ok(understood) = LogQuery::parse(query) {
        assert!(!understood.kinds.is_empty());
    }
}

/// Every body that needs no request.
#[cfg(all(any(test, fuzzing), feature = "sim"))]
pub(super) fn all(watcher: &Watcher) -> Vec<Json> {
    vec![
        json!(status(watcher)),
        json!(state(watcher)),
        vars(watcher, true),
        watching(watcher),
        memo_cache(watcher),
        var_state(watcher),
        config(watcher),
        signals(watcher),
    ]
}

fn log_key(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Reduce => "reduceLogs",
        LogKind::Effect => "effectLogs",
        LogKind::EffectResult => "effectResults",
        LogKind::WatchError => "watchErrorLogs",
        LogKind::Context => "contextLogs",
        LogKind::StateFault => "stateFaultLogs",
    }
}

/// `GET /watcher/signals`: what waits, and what came last.
pub(super) fn signals(watcher: &Watcher) -> Json {
    let recent = watcher.recent_signals();
    let queue = watcher.stats().queue;
    let shown = recent.iter().map(|signal| {
        json!({
            "type": signal.class.as_str(),
            "content": signal.content,
            "createdAt": rfc3339(signal.at),
        })
    });
    json!({
        "varSigCount": queue.var,
        "userSigCount": queue.user,
        "watcherSigCount": queue.manager_inner,
        "totalPending": queue.var + queue.user + queue.manager_inner,
        "recentSignals": shown.collect::<Vec<_>>(),
        "timestamp": rfc3339(watcher.now()),
    })
}

/// `GET /healthz`: 503 once the watcher has been killed or has crashed for good.
pub(super) fn health(call: &mut Call<'_, '_>) -> Response {
    let state = call.watcher.state();
    let failed = matches!(state, State::Killed | State::Crashed);
    let (status, word) = if failed { (503, "failed") } else { (200, "ok") };
    condition(status, word, state)
}

/// `GET /readyz`: 200 while messages are served; 503 before the first execution has succeeded, while
/// a crash is recovered from, and without a session.
pub(super) fn readiness(call: &mut Call<'_, '_>) -> Response {
    match call.watcher.state() {
        state @ (State::Ready | State::Running) => condition(200, "ready", state),
        state => condition(503, "not ready", state),
    }
}

fn condition(status: u16, word: &str, state: State) -> Response {
    let mut body = json!({ "status": word, "state": state.as_str() });
    if status != 200 {
        body["error"] = Json::from(format!("the watcher is {state}"));
    }
    Response::json(status, &body).header("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_log_and_a_limit() {
        let all = LogKind::ALL.to_vec();
        assert_eq!(LogQuery::parse(""), Ok(LogQuery { kinds: all.clone(), limit: 100 }));
        assert_eq!(LogQuery::parse("type=all&limit=5"), Ok(LogQuery { kinds: all, limit: 5 }));
        let one = LogQuery { kinds: vec![LogKind::WatchError], limit: 100 };
        assert_eq!(LogQuery::parse("x&type=watch_error&y=z"), Ok(one));
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused_in_words() {
        let refused = LogQuery::parse("type=gossip").unwrap_err();
        assert!(refused.contains("gossip") && refused.contains("state_fault"), "{refused}");
        for limit in ["limit=", "limit=-1", "limit=many", "limit=99999999999999999999999"] {
            assert!(LogQuery::parse(limit).is_err(), "{limit}");
        }
    }
}
