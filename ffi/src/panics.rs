//! A panic inside any exported function becomes a status, or the value that stands for failure.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::panic;
use std::ptr::{null, null_mut};

use crate::boundary::tests::{arm, tripped};
use crate::config::*;
use crate::context::*;
use crate::error::hersh_last_error_message;
use crate::flow::*;
use crate::handle::hersh_alive;
use crate::poll::*;
use crate::report::*;
use crate::text::hersh_string_free;
use crate::token::*;
use crate::watcher::*;

/// Those that cannot panic: they answer with what is there before they are called.
const WITHOUT: [&str; 4] =
    ["hersh_last_error_message", "hersh_state_name", "hersh_status_name", "hersh_version"];

macro_rules! calls {
    ($($name:ident($($argument:expr),*);)*) => {{
        let calls: Vec<(&str, fn())> = vec![$((stringify!($name), || {
            // SAFETY: the call panics before it looks at its arguments, which are all NULL or 0.
            #[allow(unused_unsafe, reason = "some of them are safe")]
            let _ = unsafe { $name($($argument),*) };
        })),*];
        calls
    }};
}

#[expect(clippy::too_many_lines, reason = "a list, one line a function")]
fn calls_of_all() -> Vec<(&'static str, fn())> {
    calls! {
        hersh_alive();
        hersh_config_free(null_mut());
        hersh_config_new(null_mut());
        hersh_config_set_default_timeout_ms(null_mut(), 0);
        hersh_config_set_env(null_mut(), null(), null());
        hersh_config_set_max_log_entries(null_mut(), 0);
        hersh_config_set_max_memo_entries(null_mut(), 0);
        hersh_config_set_max_watches(null_mut(), 0);
        hersh_config_set_name(null_mut(), null());
        hersh_config_set_parent(null_mut(), null());
        hersh_config_set_recovery(null_mut(), 0, 0, 0.0, 0, 0.0);
        hersh_config_set_signal_capacity(null_mut(), 0);
        hersh_config_set_stop_timeout_ms(null_mut(), 0);
        hersh_context_attempt(null());
        hersh_context_cancelled(null());
        hersh_context_clear_memo(null(), null());
        hersh_context_crash(null(), null());
        hersh_context_deadline_ms(null());
        hersh_context_error(null(), null());
        hersh_context_execution(null());
        hersh_context_get_env(null(), null());
        hersh_context_get_value_json(null(), null(), null_mut());
        hersh_context_kill(null(), null());
        hersh_context_log(null(), null());
        hersh_context_memo(null(), null(), None, null_mut(), None, null_mut());
        hersh_context_message(null(), null_mut(), null_mut());
        hersh_context_message_id(null());
        hersh_context_now_ms(null());
        hersh_context_set_value_json(null(), null(), null());
        hersh_context_sleep_ms(null(), 0);
        hersh_context_stop(null(), null());
        hersh_context_trigger(null());
        hersh_context_unwatch(null(), null());
        hersh_context_update_value_json(null(), null(), None, null_mut());
        hersh_context_watch_call(null(), null(), 0, None, null_mut(), None, null_mut());
        hersh_context_watch_flow(null(), null(), null(), null_mut());
        hersh_context_watch_flow_latest(null(), null(), null(), null_mut());
        hersh_context_watch_tick(null(), null(), 0, null_mut());
        hersh_context_watcher_id(null());
        hersh_flow_close(null_mut());
        hersh_flow_free(null_mut());
        hersh_flow_new(0, null_mut());
        hersh_flow_push_json(null_mut(), null(), 0);
        hersh_poll_previous_json(null());
        hersh_poll_set_error(null_mut(), null());
        hersh_poll_set_json(null_mut(), null());
        hersh_report_free(null_mut());
        hersh_report_state(null());
        hersh_report_unserved(null(), 0, null_mut());
        hersh_report_unserved_count(null());
        hersh_string_free(null_mut());
        hersh_token_cancel(null_mut());
        hersh_token_free(null_mut());
        hersh_token_is_cancelled(null());
        hersh_token_new(0, null_mut());
        hersh_watcher_cleanup(null_mut(), None, null_mut(), None);
        hersh_watcher_free(null_mut());
        hersh_watcher_id(null(), null_mut());
        hersh_watcher_is_running(null());
        hersh_watcher_kill(null_mut());
        hersh_watcher_logs_json(null(), null(), 0, null_mut());
        hersh_watcher_manage(null_mut(), null(), None, null_mut(), None);
        hersh_watcher_name(null(), null_mut());
        hersh_watcher_new(null(), null_mut());
        hersh_watcher_request_stop(null_mut(), null());
        hersh_watcher_run(null_mut(), null_mut());
        hersh_watcher_send(null_mut(), null());
        hersh_watcher_send_bytes(null_mut(), null(), 0);
        hersh_watcher_send_timeout(null_mut(), null(), 0);
        hersh_watcher_start(null_mut());
        hersh_watcher_start_api_server(null_mut(), null(), null_mut());
        hersh_watcher_state(null());
        hersh_watcher_stats_json(null(), null_mut());
        hersh_watcher_stop(null_mut(), null_mut());
        hersh_watcher_stop_with(null_mut(), 0, false, null_mut());
        hersh_watcher_value_json(null(), null(), null_mut());
        hersh_watcher_wait(null_mut(), 0, null_mut());
        hersh_watcher_wait_for(null_mut(), 0, 0);
    }
}

#[test]
fn a_panic_inside_any_function_stays_inside() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    for (name, call) in calls_of_all() {
        arm();
        call();
        assert!(tripped(), "{name} does its work outside the boundary");
        // SAFETY: a failure has just been remembered on this thread.
        let words = unsafe { CStr::from_ptr(hersh_last_error_message()) };
        assert_eq!(words, c"hersh panicked: injected", "{name}");
    }
    panic::set_hook(hook);
}

#[test]
fn every_function_of_the_header_is_among_them() {
    let header = include_str!("../../include/hersh.h");
    let declared: BTreeSet<_> = header
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("hersh_"))
        .collect();
    let called = calls_of_all().into_iter().map(|(name, _)| name);
    assert_eq!(declared, called.chain(WITHOUT).collect());
}
