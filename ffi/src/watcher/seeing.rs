//! Looking at a watcher from outside.

use std::ffi::c_char;

use hersh::{LogKind, Watcher};
use serde_json::json;

use super::{HershWatcher, get};
use crate::boundary;
use crate::error::{Answer, Failure};
use crate::state::HershState;
use crate::status::HershStatus;
use crate::text::{Out, hand_over, text};

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
    show(watcher, id, "id", |watcher| Ok(watcher.id().to_owned()))
}

/// The name that it was given. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_name(
    watcher: *const HershWatcher,
    name: *mut *mut c_char,
) -> HershStatus {
    show(watcher, name, "name", |watcher| Ok(watcher.name().to_owned()))
}

/// Serves the WatcherAPI at `address`, like `"127.0.0.1:8080"`, or with port 0 to have a free one
/// picked, until the watcher is freed. `listening` may be NULL; else it gets the address, which is
/// freed with `hersh_string_free`. `HERSH_STATUS_OS` with words when it cannot be served there.
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
        let served = watcher.start_api_server(address);
        let served = served.map_err(|error| Failure::new(HershStatus::Os, error))?;
        if let Some(out) = out {
            out.set(hand_over(&served.to_string()));
        }
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
    show(watcher, value, "value", |watcher| {
        // SAFETY: contract, texts.
        let key = unsafe { text(key, "key") }?;
        let values = watcher.values();
        let value = values.get(key).ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("no value {key:?} in this session"))
        })?;
        Ok(value.to_json()?.to_string())
    })
}

/// State and counters as JSON: `state`, `uptime_ms`, `executions`, `errors`, `crashes`, `retries`,
/// `timeouts`, `skipped_ticks`, `watch_errors`, `state_faults`, `last_error`, `queue` with `user`
/// and `var`. Later versions may add keys. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_stats_json(
    watcher: *const HershWatcher,
    stats: *mut *mut c_char,
) -> HershStatus {
    show(watcher, stats, "stats", |watcher| {
        let stats = watcher.stats();
        let counters = &stats.counters;
        let shown = json!({
            "state": stats.state.as_str(),
            "uptime_ms": u64::try_from(stats.uptime.as_millis()).unwrap_or(u64::MAX),
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
        });
        Ok(shown.to_string())
    })
}

/// The newest `limit` entries of a log, oldest first, as a JSON array of `{"id":…,"text":"…"}`.
/// `kind` is `"reduce"`, `"effect"`, `"effect_result"`, `"watch_error"`, `"context"` or
/// `"state_fault"`. Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_logs_json(
    watcher: *const HershWatcher,
    kind: *const c_char,
    limit: usize,
    logs: *mut *mut c_char,
) -> HershStatus {
    show(watcher, logs, "logs", |watcher| {
        // SAFETY: contract, texts.
        let kind: LogKind = unsafe { text(kind, "kind") }?
            .parse()
            .map_err(|error| Failure::new(HershStatus::InvalidArgument, error))?;
        let entries = watcher.logs(kind, limit).into_iter();
        let shown: Vec<_> =
            entries.map(|entry| json!({ "id": entry.id, "text": entry.text })).collect();
        Ok(serde_json::Value::from(shown).to_string())
    })
}

/// Hands over a text about a watcher.
fn show(
    watcher: *const HershWatcher,
    place: *mut *mut c_char,
    argument: &str,
    make: impl FnOnce(&Watcher) -> Answer<String>,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(place, argument) }?;
        out.set(hand_over(&make(&watcher)?));
        Ok(())
    })
}
