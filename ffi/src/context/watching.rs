//! Watched variables.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use hersh::Watched;
use serde_json::Value as Json;

use super::{Execution, HershContext, status, value};
use crate::callback::{HershFreeFn, HershPollFn, UserData};
use crate::error::Answer;
use crate::flow::HershFlow;
use crate::handle;
use crate::poll::{Next, Polling};
use crate::status::HershStatus;
use crate::text::{Out, text};
use crate::watched::{HershTick, HershWatched};

impl Execution<'_> {
    fn show(&self, watched: &Watched<Json>) -> HershWatched {
        let keep = |text: Option<&str>| text.map_or(ptr::null(), |text| self.keep(text));
        HershWatched {
            json: keep(watched.value().map(Json::to_string).as_deref()),
            error: keep(watched.error()),
            updated: watched.updated(),
            triggered: watched.triggered(),
        }
    }
}

/// Watches something whose values are JSON, and shows what this execution sees of it.
fn watch(
    context: *const HershContext,
    name: *const c_char,
    watched: *mut HershWatched,
    watch: impl FnOnce(&Execution<'_>, &str) -> Answer<Watched<Json>>,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, texts and outputs.
        let (name, out) = unsafe { (text(name, "name")?, Out::optional(watched)) };
        let seen = watch(context, name)?;
        if let Some(out) = out {
            out.set(context.show(&seen));
        }
        Ok(())
    })
}

/// Watches what `poll` finds, at once and then each `every_ms` milliseconds, without drift, on a
/// thread of the watcher's pool and never twice at once. An execution follows when the value
/// differs from the last. A poll that fails is logged; the last value stays.
///
/// The first call for a name registers it; later calls read it. Each call takes over `user_data`:
/// where `poll` is not needed, it is freed at once. `watched` may be NULL. Never waits.
/// `HERSH_STATUS_MISMATCH` when the name is watched in another way, `HERSH_STATUS_LIMIT` when it is
/// one too many, `HERSH_STATUS_INVALID_ARGUMENT` for a period of 0; so for all `_watch_` functions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_watch_call(
    context: *const HershContext,
    name: *const c_char,
    every_ms: u64,
    poll: HershPollFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
    watched: *mut HershWatched,
) -> HershStatus {
    let data = Arc::new(UserData::new(user_data, free_user_data));
    watch(context, name, watched, |context, name| {
        let polling = Polling::new(poll, &data, context.home, "poll")?;
        let mut last = None;
        let every = Duration::from_millis(every_ms);
        let seen = context.watch_call(name, every, move || {
            let next = polling.value(last.as_ref())?;
            last = Some(next.clone());
            Ok::<Json, String>(next)
        });
        Ok(seen?)
    })
}

/// Like `hersh_context_watch_call`, in two steps: `fetch` finds something, and `update` makes the
/// next value of it (`hersh_poll_fetched_json`) and of the last (`hersh_poll_previous_json`). What it
/// sets is a change, also if it is equal; `hersh_poll_set_same` says that there is none. For values
/// that grow out of each other, and for a comparison of one's own. Both steps run one after the other
/// on the same thread, with the same `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_watch_call_update(
    context: *const HershContext,
    name: *const c_char,
    every_ms: u64,
    fetch: HershPollFn,
    update: HershPollFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
    watched: *mut HershWatched,
) -> HershStatus {
    let data = Arc::new(UserData::new(user_data, free_user_data));
    watch(context, name, watched, |context, name| {
        let fetching = Polling::new(fetch, &data, context.home, "fetch")?;
        let updating = Polling::new(update, &data, context.home, "update")?;
        let updating = Arc::new(updating);
        let every = Duration::from_millis(every_ms);
        let seen = context.watch_call_update(name, every, move || {
            let (fetched, updating) = (fetching.value(None)?, Arc::clone(&updating));
            Ok::<_, String>(move |last: Option<&Json>| {
                Ok(match updating.next(last, Some(&fetched))? {
                    Next::Value(value) => Some(value),
                    Next::Same => None,
                })
            })
        });
        Ok(seen?)
    })
}

/// Watches a flow. Every value causes its own execution, in order; values that wait stay in the
/// flow, which holds back whoever pushes. Later calls with the same name read; the flow that they
/// name does not matter. `watched` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_watch_flow(
    context: *const HershContext,
    name: *const c_char,
    flow: *const HershFlow,
    watched: *mut HershWatched,
) -> HershStatus {
    watch(context, name, watched, |context, name| {
        Ok(context.watch_flow(name, handle::get(flow, "flow")?.receiver())?)
    })
}

/// Watches a flow of which only the newest value counts: those it has overtaken are dropped.
/// Otherwise like `hersh_context_watch_flow`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_watch_flow_latest(
    context: *const HershContext,
    name: *const c_char,
    flow: *const HershFlow,
    watched: *mut HershWatched,
) -> HershStatus {
    watch(context, name, watched, |context, name| {
        Ok(context.watch_flow_latest(name, handle::get(flow, "flow")?.receiver())?)
    })
}

/// Watches a timer: an execution follows each tick, the first after `every_ms` milliseconds. Ticks
/// that come while one is pending are skipped and counted. `tick` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_watch_tick(
    context: *const HershContext,
    name: *const c_char,
    every_ms: u64,
    tick: *mut HershTick,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, texts and outputs.
        let (name, out) = unsafe { (text(name, "name")?, Out::optional(tick)) };
        let seen = context.watch_tick(name, Duration::from_millis(every_ms))?;
        if let Some(out) = out {
            let (count, unix_ms) = seen.value().map_or((0, 0), |tick| (tick.count, tick.unix_ms));
            out.set(HershTick { count, unix_ms, triggered: seen.triggered() });
        }
        Ok(())
    })
}

/// Watches a variable no longer; its name is free again. Whether it was watched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_unwatch(
    context: *const HershContext,
    name: *const c_char,
) -> bool {
    value(context, false, |context| {
        // SAFETY: contract, texts.
        Ok(context.unwatch(unsafe { text(name, "name") }?))
    })
}
