//! The watcher.

mod seeing;

use std::ffi::{c_char, c_void};
use std::time::Duration;

use hersh::{Context, ManagedError, Message, StopError, StopOptions, Watcher};

use crate::boundary;
use crate::callback::{HershCleanupFn, HershFreeFn, HershManagedFn, UserData};
use crate::config::HershConfig;
use crate::context::HershContext;
use crate::error::{Answer, Failure};
use crate::handle::{self, Handle, Lent, Table, Tag};
use crate::outcome::meant;
use crate::report::{HershReport, deliver};
use crate::state::from_number;
use crate::status::HershStatus;
use crate::text::{Out, bytes, null, terminated, text};
use crate::token::timeout;

#[cfg(test)]
pub(crate) use seeing::*;

/// A watcher: one managed function that runs again whenever a message arrives, a watched value
/// changes, a flow delivers or a timer fires; never twice at once.
///
/// May be used from any thread, from its own callbacks too. Free it with `hersh_watcher_free`.
pub struct HershWatcher {
    watcher: Watcher,
}

static WATCHERS: Table<HershWatcher> = Table::new();

impl Handle for HershWatcher {
    const TAG: Tag = Tag::Watcher;

    fn table() -> &'static Table<Self> {
        &WATCHERS
    }
}

fn get(watcher: *const HershWatcher) -> Answer<Watcher> {
    handle::get(watcher, "watcher").map(|known| known.watcher.clone())
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
        let builder = if config.is_null() {
            Watcher::builder()
        } else {
            handle::get(config, "config")?.builder()
        };
        out.set(handle::insert(HershWatcher { watcher: builder.build()? })?);
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
        let Some(freed) = handle::take(watcher, "watcher")? else { return Ok(()) };
        freed.watcher.kill();
        let limit = freed.watcher.config().stop_timeout;
        if freed.watcher.join(Some(limit)) {
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
        let call = managed.ok_or_else(|| null("managed"))?;
        // SAFETY: contract, texts.
        let name = unsafe { text(name, "name") }?;
        watcher.manage(name, move |message, context| execute(call, &data, message, context))?;
        Ok(())
    })
}

fn execute(
    call: unsafe extern "C" fn(*const c_char, *mut HershContext, *mut c_void) -> i32,
    data: &UserData,
    message: Option<&Message>,
    context: &Context,
) -> Result<(), ManagedError> {
    let lent = Lent::new(HershContext::new(context)).map_err(|failure| failure.words)?;
    let message = message.map(|message| terminated(message.content()));
    let text = message.as_ref().map_or(std::ptr::null(), |message| message.as_ptr());
    // SAFETY: C gave this function for this data; text and handle are alive until it returns.
    let outcome = unsafe { call(text, lent.handle(), data.pointer()) };
    let reason = lent.content().ok().and_then(|context| context.reason());
    meant(outcome, reason.as_deref())
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
        watcher.cleanup(move |context| {
            // Without room for one more handle there is nothing to give to the function.
            if let Ok(lent) = Lent::new(HershContext::new(context)) {
                // SAFETY: C gave this function for this data; the handle is alive until it returns.
                unsafe { call(lent.handle(), data.pointer()) }
            }
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
        stop(&get(watcher)?, StopOptions::default(), out)
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
        let options =
            StopOptions { timeout: Some(timeout(timeout_ms).unwrap_or(Duration::MAX)), drain };
        stop(&get(watcher)?, options, out)
    })
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
    boundary::status(|| {
        let watcher = get(watcher)?;
        let reason = if reason.is_null() {
            "a stop was requested"
        } else {
            // SAFETY: contract, texts.
            unsafe { text(reason, "reason") }?
        };
        watcher.request_stop(reason);
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
/// have NULs within. It must be UTF-8 all the same.
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
