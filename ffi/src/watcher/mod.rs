//! The watcher.

mod seeing;

use std::ffi::{c_char, c_void};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use hersh::{ApiConfig, Builder, StopError, StopOptions, Watcher};

use crate::boundary;
use crate::callback::{HershCleanupFn, HershFreeFn, HershManagedFn, UserData};
use crate::config::HershConfig;
use crate::context::Lender;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::managed::Managed;
use crate::report::{HershReport, deliver};
use crate::simulation::Home;
use crate::state::from_number;
use crate::status::HershStatus;
use crate::text::{Out, bytes, null, optional_text, text};
use crate::token::timeout;

#[cfg(test)]
pub(crate) use seeing::*;

/// A watcher: one managed function that runs again whenever a message arrives, a watched value
/// changes, a flow delivers or a timer fires; never twice at once.
///
/// May be used from any thread, from its own callbacks too; one that lives in a simulation only from
/// the thread of that. Free it with `hersh_watcher_free`.
pub struct HershWatcher {
    watcher: Watcher,
    api: ApiConfig,
    home: Option<Arc<Home>>,
}

handle_of!(HershWatcher, Watcher);

impl HershWatcher {
    /// Builds a watcher and hands it over; a configuration of NULL is one of defaults.
    pub(crate) fn build(
        builder: Builder,
        config: *const HershConfig,
        home: Option<Arc<Home>>,
    ) -> Answer<*mut Self> {
        let (builder, api) = if config.is_null() {
            (builder, ApiConfig::default())
        } else {
            let config = handle::get(config, "config")?;
            (config.apply(builder), config.api())
        };
        handle::insert(Self { watcher: builder.build()?, api, home })
    }

    /// Whether it lives in the simulation of this home.
    pub(crate) fn lives_in(&self, home: &Arc<Home>) -> bool {
        self.home.as_ref().is_some_and(|own| Arc::ptr_eq(own, home))
    }
}

impl Deref for HershWatcher {
    type Target = Watcher;

    fn deref(&self) -> &Watcher {
        &self.watcher
    }
}

pub(crate) fn get(watcher: *const HershWatcher) -> Answer<Arc<HershWatcher>> {
    let watcher = handle::get(watcher, "watcher")?;
    watcher.home.as_ref().map_or(Ok(()), |home| home.check_thread())?;
    Ok(watcher)
}

/// Builds a watcher; `config` may be NULL for defaults. Free it with `hersh_watcher_free`.
/// `HERSH_STATUS_CONFIG` when a setting makes no sense; the words name it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_new(
    config: *const HershConfig,
    watcher: *mut *mut HershWatcher,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(watcher, "watcher") }?;
        out.set(HershWatcher::build(Watcher::builder(), config, None)?);
        Ok(())
    })
}

/// Frees a watcher. NULL is fine. One that is running is killed. Waits until none of its functions
/// runs any more and its threads have ended, at most for the configured stop timeout: after
/// `HERSH_STATUS_OK` whatever its functions use may be freed or unloaded. After
/// `HERSH_STATUS_TIMED_OUT` the handle is freed too, but a function is still running, and its user
/// data is freed when that returns; so it is at once when this is called from one of its own
/// callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_free(watcher: *mut HershWatcher) -> HershStatus {
    boundary::status(|| {
        if !watcher.is_null() {
            get(watcher)?;
        }
        let Some(freed) = handle::take(watcher, "watcher")? else { return Ok(()) };
        freed.kill();
        if freed.join(Some(freed.config().stop_timeout)) {
            return Ok(());
        }
        let words = "the watcher is freed, but one of its functions is still running";
        Err(Failure::new(HershStatus::TimedOut, words))
    })
}

/// Sets the function to run; `name` is what it does, for the log. It runs once at the start of a
/// session with no message, and then for each trigger.
///
/// `user_data` is taken over, also when this fails; `free_user_data` may be NULL.
/// `HERSH_STATUS_STATE` while a session is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_manage(
    watcher: *mut HershWatcher,
    name: *const c_char,
    managed: HershManagedFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
) -> HershStatus {
    let data = UserData::new(user_data, free_user_data);
    boundary::status(|| {
        let watcher = get(watcher)?;
        let mut managed = Managed::new(managed, data, watcher.home.clone())?;
        // SAFETY: contract, texts.
        let name = unsafe { text(name, "name") }?;
        watcher.manage(name, move |message, context| managed.run(message, context))?;
        Ok(())
    })
}

/// Sets the function that runs when a session ends in good order or by its last crash.
///
/// `user_data` is taken over, also when this fails; `free_user_data` may be NULL.
/// `HERSH_STATUS_STATE` while a session is under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_cleanup(
    watcher: *mut HershWatcher,
    cleanup: HershCleanupFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
) -> HershStatus {
    let data = UserData::new(user_data, free_user_data);
    boundary::status(|| {
        let watcher = get(watcher)?;
        let call = cleanup.ok_or_else(|| null("cleanup"))?;
        let home = watcher.home.clone();
        let mut lender = Lender::new(home.clone())?;
        watcher.cleanup(move |context| {
            let _inside = home.as_ref().map(|home| home.enter());
            lender.lend(context, |handle| {
                // SAFETY: C gave this function for this data; the handle is alive until it returns.
                unsafe { call(handle, data.pointer()) }
            });
        })?;
        Ok(())
    })
}

/// Begins a session: memos, context values, watches and counters are new, and the managed function
/// runs once. Does not wait for it. `HERSH_STATUS_STATE` unless it was never started, or stopped;
/// `HERSH_STATUS_NOT_MANAGED`, `HERSH_STATUS_PARENT_CANCELLED`, `HERSH_STATUS_OS`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_start(watcher: *mut HershWatcher) -> HershStatus {
    boundary::status(|| Ok(get(watcher)?.start()?))
}

/// Stops in good order and waits: the running execution is cancelled and waited for, then the
/// cleanup runs. `report` may be NULL; else free what it gets with `hersh_report_free`. Stopping
/// again, or a watcher that has ended, gives the same report.
///
/// `HERSH_STATUS_TIMED_OUT` when the function or the cleanup did not return within the configured
/// stop timeout: then the watcher is killed. `HERSH_STATUS_INSIDE` from inside the managed
/// function: return `hersh_context_stop` instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_stop(
    watcher: *mut HershWatcher,
    report: *mut *mut HershReport,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::optional(report) };
        let watcher = get(watcher)?;
        stop(&watcher, StopOptions::default(), out)
    })
}

/// Like `hersh_watcher_stop`, with another timeout, and serving the messages that wait first if
/// `drain` says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_stop_with(
    watcher: *mut HershWatcher,
    timeout_ms: u64,
    drain: bool,
    report: *mut *mut HershReport,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::optional(report) };
        let watcher = get(watcher)?;
        stop(&watcher, options(timeout_ms, drain), out)
    })
}

fn options(timeout_ms: u64, drain: bool) -> StopOptions {
    StopOptions { timeout: Some(timeout(timeout_ms).unwrap_or(Duration::MAX)), drain }
}

fn stop(watcher: &Watcher, options: StopOptions, out: Option<Out<*mut HershReport>>) -> Answer {
    match watcher.stop_with(options) {
        Ok(report) => deliver(&report, out),
        Err(error) => {
            let status = match &error {
                StopError::Inside => HershStatus::Inside,
                _ => HershStatus::TimedOut,
            };
            Err(Failure::new(status, error))
        }
    }
}

/// Asks for a graceful stop and does not wait. May be called from inside the managed function.
/// `reason` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_request_stop(
    watcher: *mut HershWatcher,
    reason: *const c_char,
) -> HershStatus {
    request_stop(watcher, reason, StopOptions::default())
}

/// Like `hersh_watcher_request_stop`, with another timeout, and serving the messages that wait first
/// if `drain` says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_request_stop_with(
    watcher: *mut HershWatcher,
    reason: *const c_char,
    timeout_ms: u64,
    drain: bool,
) -> HershStatus {
    request_stop(watcher, reason, options(timeout_ms, drain))
}

fn request_stop(
    watcher: *mut HershWatcher,
    reason: *const c_char,
    options: StopOptions,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts.
        let reason = unsafe { optional_text(reason, "reason") }?;
        watcher.request_stop_with(reason.unwrap_or("a stop was requested"), options);
        Ok(())
    })
}

/// Ends the watcher at once, without cleanup, whatever its function does. Never waits.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_kill(watcher: *mut HershWatcher) -> HershStatus {
    boundary::status(|| {
        get(watcher)?.kill();
        Ok(())
    })
}

/// Starts, and waits until the session is over. SIGINT and SIGTERM stop it in good order; a second
/// one kills it. `report` may be NULL. See `hersh_watcher_start` for what may go wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_run(
    watcher: *mut HershWatcher,
    report: *mut *mut HershReport,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::optional(report) };
        deliver(&get(watcher)?.run()?, out)
    })
}

/// Waits for the end of the session, at most for `timeout_ms` milliseconds: then
/// `HERSH_STATUS_TIMED_OUT`; so it is at once when none was begun, and from inside the managed
/// function. `report` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_wait(
    watcher: *mut HershWatcher,
    timeout_ms: u64,
    report: *mut *mut HershReport,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::optional(report) };
        let ended = get(watcher)?.wait(timeout(timeout_ms)).ok_or_else(|| {
            Failure::new(HershStatus::TimedOut, "the session has not ended, or was never begun")
        })?;
        deliver(&ended, out)
    })
}

/// Waits until the watcher is in `state`, a `HershState`, at most for `timeout_ms` milliseconds:
/// then, or as soon as the session has ended in another one, `HERSH_STATUS_TIMED_OUT`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_watcher_wait_for(
    watcher: *mut HershWatcher,
    state: i32,
    timeout_ms: u64,
) -> HershStatus {
    boundary::status(|| {
        let (watcher, state) = (get(watcher)?, from_number(state)?);
        if watcher.wait_for(state, timeout(timeout_ms)) {
            return Ok(());
        }
        let words = format_args!("the watcher is {}, not {state}", watcher.state());
        Err(Failure::new(HershStatus::TimedOut, words))
    })
}

/// Sends a message; an execution will serve it. Works from inside the managed function too.
/// `HERSH_STATUS_QUEUE_FULL` and `HERSH_STATUS_NOT_RUNNING` come at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_send(
    watcher: *mut HershWatcher,
    content: *const c_char,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts.
        Ok(watcher.send_message(unsafe { text(content, "content") }?)?)
    })
}

/// Like `hersh_watcher_send`, for a text of `length` bytes that need not end with a NUL and may
/// have NULs within. It must be UTF-8 all the same, as a message is text wherever it is seen: in
/// logs, journals and the WatcherAPI too. Other bytes travel in a text, like base64, or as the
/// payload of a ticket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_send_bytes(
    watcher: *mut HershWatcher,
    content: *const u8,
    length: usize,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, bytes.
        Ok(watcher.send_message(unsafe { bytes(content, length, "content") }?)?)
    })
}

/// Like `hersh_watcher_send`, waiting for room in the queue for at most `timeout_ms` milliseconds.
/// From inside the managed function it does not wait: nobody else could make room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_watcher_send_timeout(
    watcher: *mut HershWatcher,
    content: *const c_char,
    timeout_ms: u64,
) -> HershStatus {
    boundary::status(|| {
        let watcher = get(watcher)?;
        // SAFETY: contract, texts.
        let content = unsafe { text(content, "content") }?;
        let limit = timeout(timeout_ms).unwrap_or(Duration::MAX);
        Ok(watcher.send_message_timeout(content, limit)?)
    })
}
