//! Looking at a watcher from outside.

use std::ffi::c_char;
use std::io;
use std::net::ToSocketAddrs;

use hersh::{ApiConfig, ApiError, Histogram, LogKind};
use serde_json::{Value as Json, json};

use super::{HershWatcher, get};
use crate::boundary;
use crate::context::unix_ms;
use crate::error::{Answer, Failure};
use crate::state::HershState;
use crate::status::HershStatus;
use crate::text::{Out, hand_over, tell, text};

/// The state; `HERSH_STATE_INVALID` when it is no watcher. Never waits.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_state(watcher: *const HershWatcher) -> HershState {
    boundary::value(HershState::Invalid, || Ok(get(watcher)?.state().into()))
}

/// Whether a session is under way; `false` when it is no watcher. Never waits.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_is_running(watcher: *const HershWatcher) -> bool {
    boundary::value(false, || Ok(get(watcher)?.is_running()))
}

/// The id, unique to this watcher. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_id(
    watcher: *const HershWatcher,
    id: *mut *mut c_char,
) -> HershStatus {
    tell(id, "id", || Ok(get(watcher)?.id().to_owned()))
}

/// The name that it was given. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_name(
    watcher: *const HershWatcher,
    name: *mut *mut c_char,
) -> HershStatus {
    tell(name, "name", || Ok(get(watcher)?.name().to_owned()))
}

/// What its managed function does, as it was named; `""` before one is set. Free it with
/// `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_managed_name(
    watcher: *const HershWatcher,
    name: *mut *mut c_char,
) -> HershStatus {
    tell(name, "name", || Ok(get(watcher)?.managed_name()))
}

/// The time on its clock, in milliseconds since the Unix epoch; 0 when it is no watcher.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_now_ms(watcher: *const HershWatcher) -> u64 {
    boundary::value(0, || Ok(unix_ms(get(watcher)?.now())))
}

/// Serves the WatcherAPI at `address`, like `"127.0.0.1:8080"`, or with port 0 to have a free one
/// picked, until the watcher is freed. Token, hosts and secrets are as the configuration says.
/// `listening` may be NULL; else it gets the address, which is freed with `hersh_string_free`.
/// `HERSH_STATUS_OS` with words when it cannot be served there, or is served already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_start_api_server(
    watcher: *mut HershWatcher,
    address: *const c_char,
    listening: *mut *mut c_char,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts and outputs.
        let (address, out) = unsafe { (text(address, "address")?, Out::optional(listening)) };
        let resolved = address.to_socket_addrs().map(|mut found| found.next());
        let resolved = resolved.map_err(|source| ApiError::Address { source })?;
        let nothing = || ApiError::Address { source: io::ErrorKind::NotFound.into() };
        let address = resolved.ok_or_else(nothing)?;
        let served = watcher.start_api_server_with(ApiConfig { address, ..watcher.api.clone() })?;
        if let Some(out) = out {
            out.set(hand_over(&served.to_string()));
        }
        Ok(())
    })
}

/// Where the WatcherAPI is served. Free it with `hersh_string_free`. `HERSH_STATUS_NOT_RUNNING` when
/// it is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_api_address(
    watcher: *const HershWatcher,
    address: *mut *mut c_char,
) -> HershStatus {
    tell(address, "address", || {
        get(watcher)?
            .api_address()
            .ok_or_else(|| Failure::new(HershStatus::NotRunning, "the API is not served"))
    })
}

/// Ends the WatcherAPI's server, if there is one. Requests under way may take half a second to
/// finish, and are waited for; then they are cut off.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_stop_api_server(watcher: *mut HershWatcher) -> HershStatus {
    boundary::status(|| {
        get(watcher)?.stop_api_server();
        Ok(())
    })
}

/// A context value as JSON, also when no execution is under way. Free it with `hersh_string_free`.
/// `HERSH_STATUS_NOT_FOUND` when it was not set in this session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_value_json(
    watcher: *const HershWatcher,
    key: *const c_char,
    value: *mut *mut c_char,
) -> HershStatus {
    tell(value, "value", || {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts.
        let key = unsafe { text(key, "key") }?;
        let values = watcher.values();
        let value = values.get(key).ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("no value {key:?} in this session"))
        })?;
        Ok(value.to_json()?)
    })
}

/// All context values as a JSON object. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_values_json(
    watcher: *const HershWatcher,
    values: *mut *mut c_char,
) -> HershStatus {
    tell(values, "values", || {
        let watcher = get(watcher)?;
        let shown = watcher.values().into_iter().map(|(key, value)| Ok((key, value.to_json()?)));
        Ok(Json::Object(shown.collect::<Answer<_>>()?))
    })
}

/// The watched variables, in the order of their registration, as a JSON array of `{"name", "kind",
/// "value", "error", "skipped"}`; `value` and `error` are null where there is none. Free it with
/// `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_watched_json(
    watcher: *const HershWatcher,
    variables: *mut *mut c_char,
) -> HershStatus {
    tell(variables, "variables", || {
        let watcher = get(watcher)?;
        let shown = watcher.watched().into_iter().map(|entry| {
            json!({
                "name": entry.name,
                "kind": entry.kind.as_str(),
                "value": entry.value.and_then(|value| value.to_json().ok()),
                "error": entry.error,
                "skipped": entry.skipped,
            })
        });
        Ok(shown.collect::<Json>())
    })
}

/// The names of the memos of this session, as a JSON array. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_memos_json(
    watcher: *const HershWatcher,
    memos: *mut *mut c_char,
) -> HershStatus {
    tell(memos, "memos", || {
        Ok(get(watcher)?.memos().into_iter().map(|memo| memo.name).collect::<Json>())
    })
}

/// The newest signals, those that wait among them, oldest first, as a JSON array of `{"class",
/// "content", "at_ms"}`: 30 at most. Looking removes none. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_signals_json(
    watcher: *const HershWatcher,
    signals: *mut *mut c_char,
) -> HershStatus {
    tell(signals, "signals", || {
        let watcher = get(watcher)?;
        let shown = watcher.recent_signals().into_iter().map(|signal| {
            json!({
                "class": signal.class.as_str(),
                "content": signal.content,
                "at_ms": unix_ms(signal.at),
            })
        });
        Ok(shown.collect::<Json>())
    })
}

/// State and counters as JSON: `state`, `started_ms` (null before the first start), `uptime_ms`,
/// `last_update_ms`, `executions`, `errors`, `crashes`, `retries`, `timeouts`, `skipped_ticks`,
/// `watch_errors`, `state_faults`, `last_error`, `queue` with `user` and `var`, and
/// `execution_time` with `count`, `sum_us` and `buckets`, an array of `[at most so many µs, count]`
/// where null stands for no limit. Later versions may add keys. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_stats_json(
    watcher: *const HershWatcher,
    stats: *mut *mut c_char,
) -> HershStatus {
    tell(stats, "stats", || {
        let watcher = get(watcher)?;
        let stats = watcher.stats();
        let counters = &stats.counters;
        Ok(json!({
            "state": stats.state.as_str(),
            "started_ms": stats.started.map(unix_ms),
            "uptime_ms": whole(stats.uptime.as_millis()),
            "last_update_ms": unix_ms(stats.last_update),
            "executions": counters.executions,
            "errors": counters.errors,
            "crashes": counters.crashes,
            "retries": counters.retries,
            "timeouts": counters.timeouts,
            "skipped_ticks": counters.skipped_ticks,
            "watch_errors": counters.watch_errors,
            "state_faults": counters.state_faults,
            "last_error": counters.last_error.as_deref(),
            "queue": { "user": stats.queue.user, "var": stats.queue.var },
            "execution_time": times(&counters.execution_time),
        }))
    })
}

fn times(histogram: &Histogram) -> Json {
    let buckets = histogram
        .buckets()
        .map(|(end, count)| json!([end.map(|end| whole(end.as_micros())), count]));
    json!({
        "count": histogram.count(),
        "sum_us": whole(histogram.sum().as_micros()),
        "buckets": buckets.collect::<Json>(),
    })
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The newest `limit` entries of a log, oldest first, as a JSON array of `{"id", "at_ms", "text"}`.
/// `kind` is `"reduce"`, `"effect"`, `"effect_result"`, `"watch_error"`, `"context"` or
/// `"state_fault"`. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_logs_json(
    watcher: *const HershWatcher,
    kind: *const c_char,
    limit: usize,
    logs: *mut *mut c_char,
) -> HershStatus {
    tell(logs, "logs", || {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts.
        let kind: LogKind = unsafe { text(kind, "kind") }?
            .parse()
            .map_err(|error| Failure::new(HershStatus::InvalidArgument, error))?;
        let shown = watcher
            .logs(kind, limit)
            .into_iter()
            .map(|entry| json!({ "id": entry.id, "at_ms": unix_ms(entry.at), "text": entry.text }));
        Ok(shown.collect::<Json>())
    })
}
