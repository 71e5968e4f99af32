//! A panic inside any exported function becomes a status, or the value that stands for failure.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::{panic, ptr};

use crate::boundary::tests::{arm, tripped};
use crate::config::*;
use crate::context::*;
use crate::error::hersh_last_error_message;
use crate::flow::*;
use crate::handle::hersh_alive;
use crate::kharon::*;
use crate::poll::*;
use crate::replay::*;
use crate::report::*;
use crate::simulation::*;
use crate::text::hersh_string_free;
use crate::token::*;
use crate::watcher::*;

/// Those that cannot panic: they answer with what is there before they are called.
const WITHOUT: [&str; 4] =
    ["hersh_last_error_message", "hersh_state_name", "hersh_status_name", "hersh_version"];

/// An argument that says nothing.
trait Nothing {
    const NOTHING: Self;
}

macro_rules! nothing {
    ($($type:ty = $nothing:expr),*) => {
        $(impl Nothing for $type {
            const NOTHING: Self = $nothing;
        })*
    };
}

nothing!(bool = false, i32 = 0, u32 = 0, u64 = 0, usize = 0, f64 = 0.0);

impl<T> Nothing for *const T {
    const NOTHING: Self = ptr::null();
}

impl<T> Nothing for *mut T {
    const NOTHING: Self = ptr::null_mut();
}

impl<T> Nothing for Option<T> {
    const NOTHING: Self = None;
}

/// A function that can be called with nothing to say.
trait Call {
    unsafe fn call(self);
}

macro_rules! call {
    ($($argument:ident)*) => {
        impl<R, $($argument: Nothing),*> Call for unsafe extern "C" fn($($argument),*) -> R {
            unsafe fn call(self) {
                // SAFETY: the caller's duty is the same.
                let _ = unsafe { self($($argument::NOTHING),*) };
            }
        }
    };
}

call!();
call!(A);
call!(A B);
call!(A B C);
call!(A B C D);
call!(A B C D E);
call!(A B C D E F);
call!(A B C D E F G);
call!(A B C D E F G H);

macro_rules! calls {
    ($($name:ident($($argument:tt)*);)*) => {
        vec![$((stringify!($name), || {
            let function = $name as unsafe extern "C" fn($($argument),*) -> _;
            // SAFETY: the call panics before it looks at its arguments, which are all NULL or 0.
            unsafe { function.call() }
        })),*]
    };
}

#[expect(clippy::too_many_lines, reason = "a list, one line a function")]
fn calls_of_all() -> Vec<(&'static str, fn())> {
    calls! {
        hersh_alive();
        hersh_claim_ack(_ _);
        hersh_claim_attempts(_);
        hersh_claim_cancel(_ _);
        hersh_claim_done(_ _);
        hersh_claim_error(_ _);
        hersh_claim_extend(_);
        hersh_claim_fail(_ _);
        hersh_claim_id(_);
        hersh_claim_is_stopping(_);
        hersh_claim_json(_ _);
        hersh_claim_leave(_);
        hersh_claim_payload(_ _ _);
        hersh_claim_remaining_ms(_);
        hersh_claim_retry(_ _);
        hersh_claim_token(_);
        hersh_claim_type(_);
        hersh_config_add_api_host(_ _);
        hersh_config_free(_);
        hersh_config_new(_);
        hersh_config_set_api(_ _);
        hersh_config_set_api_show_secrets(_ _);
        hersh_config_set_api_token(_ _);
        hersh_config_set_default_timeout_ms(_ _);
        hersh_config_set_env(_ _ _);
        hersh_config_set_journal(_ _ _ _);
        hersh_config_set_max_log_entries(_ _);
        hersh_config_set_max_memo_entries(_ _);
        hersh_config_set_max_watches(_ _);
        hersh_config_set_name(_ _);
        hersh_config_set_parent(_ _);
        hersh_config_set_persist(_ _ _);
        hersh_config_set_recovery(_ _ _ _ _ _);
        hersh_config_set_seed(_ _);
        hersh_config_set_signal_capacity(_ _);
        hersh_config_set_stop_timeout_ms(_ _);
        hersh_context_attempt(_);
        hersh_context_cancelled(_);
        hersh_context_clear_memo(_ _);
        hersh_context_crash(_ _);
        hersh_context_deadline_ms(_);
        hersh_context_error(_ _);
        hersh_context_execution(_);
        hersh_context_get_env(_ _);
        hersh_context_get_value_json(_ _ _);
        hersh_context_kill(_ _);
        hersh_context_log(_ _);
        hersh_context_memo(_ _ _ _ _ _);
        hersh_context_message(_ _ _);
        hersh_context_message_id(_);
        hersh_context_now_ms(_);
        hersh_context_remaining_ms(_);
        hersh_context_set_value_json(_ _ _);
        hersh_context_sleep_ms(_ _);
        hersh_context_stop(_ _);
        hersh_context_trigger(_);
        hersh_context_trigger_json(_);
        hersh_context_unwatch(_ _);
        hersh_context_update_value_json(_ _ _ _);
        hersh_context_watch_call(_ _ _ _ _ _ _);
        hersh_context_watch_call_update(_ _ _ _ _ _ _ _);
        hersh_context_watch_flow(_ _ _ _);
        hersh_context_watch_flow_latest(_ _ _ _);
        hersh_context_watch_tick(_ _ _ _);
        hersh_context_watcher_id(_);
        hersh_flow_close(_);
        hersh_flow_free(_);
        hersh_flow_new(_ _);
        hersh_flow_push_json(_ _ _);
        hersh_kharon_ack(_ _ _ _);
        hersh_kharon_add(_ _);
        hersh_kharon_add_all(_ _ _ _ _);
        hersh_kharon_add_if_absent(_ _ _ _);
        hersh_kharon_add_or_replace(_ _ _);
        hersh_kharon_advance_ms(_ _ _);
        hersh_kharon_cancel(_ _ _ _);
        hersh_kharon_close_group(_ _);
        hersh_kharon_config_add_tube(_ _);
        hersh_kharon_config_free(_);
        hersh_kharon_config_new(_);
        hersh_kharon_config_set_backoff(_ _ _ _);
        hersh_kharon_config_set_batch_size(_ _);
        hersh_kharon_config_set_expiration(_ _);
        hersh_kharon_config_set_keep_done_ms(_ _);
        hersh_kharon_config_set_max_attempts(_ _);
        hersh_kharon_config_set_poll_interval_ms(_ _ _);
        hersh_kharon_config_set_process_time_ms(_ _);
        hersh_kharon_config_set_sqlite(_ _ _ _);
        hersh_kharon_config_set_virtual_time(_ _);
        hersh_kharon_config_set_workers(_ _);
        hersh_kharon_delete(_ _ _);
        hersh_kharon_delete_group(_ _);
        hersh_kharon_done(_ _ _ _);
        hersh_kharon_fail(_ _ _ _);
        hersh_kharon_free(_);
        hersh_kharon_get(_ _ _);
        hersh_kharon_group_json(_ _ _);
        hersh_kharon_is_stopping(_);
        hersh_kharon_list_json(_ _ _ _ _ _ _ _);
        hersh_kharon_new(_ _);
        hersh_kharon_open_group(_ _ _ _ _);
        hersh_kharon_prometheus(_ _);
        hersh_kharon_retry(_ _ _ _);
        hersh_kharon_revive(_ _ _ _);
        hersh_kharon_revive_all(_ _ _ _ _ _);
        hersh_kharon_run(_ _);
        hersh_kharon_start(_ _);
        hersh_kharon_stats_json(_ _);
        hersh_kharon_stop(_ _ _);
        hersh_new_ticket_free(_);
        hersh_new_ticket_id(_ _);
        hersh_new_ticket_new(_ _ _);
        hersh_new_ticket_set_delay_ms(_ _);
        hersh_new_ticket_set_group(_ _);
        hersh_new_ticket_set_nice(_ _);
        hersh_new_ticket_set_payload(_ _ _);
        hersh_new_ticket_set_repeat_cron(_ _ _ _);
        hersh_new_ticket_set_repeat_ms(_ _ _ _);
        hersh_new_ticket_set_run_at_ms(_ _);
        hersh_new_ticket_set_tube(_ _);
        hersh_new_ticket_set_unique_key(_ _);
        hersh_options_free(_);
        hersh_options_new(_);
        hersh_options_set_delay_ms(_ _);
        hersh_options_set_error_reason(_ _);
        hersh_options_set_expire_in_ms(_ _);
        hersh_options_set_keep(_);
        hersh_options_set_nice(_ _);
        hersh_options_set_payload(_ _ _);
        hersh_poll_fetched_json(_);
        hersh_poll_previous_json(_);
        hersh_poll_set_error(_ _);
        hersh_poll_set_json(_ _);
        hersh_poll_set_same(_);
        hersh_replay_free(_);
        hersh_replay_new(_ _);
        hersh_replay_run(_ _ _ _ _ _);
        hersh_replay_set_env(_ _ _);
        hersh_report_free(_);
        hersh_report_state(_);
        hersh_report_unserved(_ _ _);
        hersh_report_unserved_count(_);
        hersh_router_free(_);
        hersh_router_handle(_ _ _ _ _);
        hersh_router_limit(_ _ _ _ _);
        hersh_router_new(_);
        hersh_router_not_found(_ _ _ _);
        hersh_simulation_advance_ms(_ _);
        hersh_simulation_delay_polls_ms(_ _ _ _);
        hersh_simulation_fail_polls(_ _ _ _ _);
        hersh_simulation_free(_);
        hersh_simulation_inject_poll_json(_ _ _ _);
        hersh_simulation_new(_ _);
        hersh_simulation_now_ms(_);
        hersh_simulation_run_until_idle(_);
        hersh_simulation_trace(_ _);
        hersh_simulation_trace_digest(_);
        hersh_simulation_watcher_new(_ _ _);
        hersh_string_free(_);
        hersh_ticket_attempts(_);
        hersh_ticket_error_reason(_);
        hersh_ticket_free(_);
        hersh_ticket_id(_);
        hersh_ticket_json(_ _);
        hersh_ticket_payload(_ _ _);
        hersh_ticket_status(_);
        hersh_ticket_token(_);
        hersh_ticket_type(_);
        hersh_token_cancel(_);
        hersh_token_free(_);
        hersh_token_is_cancelled(_);
        hersh_token_new(_ _);
        hersh_watcher_api_address(_ _);
        hersh_watcher_cleanup(_ _ _ _);
        hersh_watcher_free(_);
        hersh_watcher_id(_ _);
        hersh_watcher_is_running(_);
        hersh_watcher_kill(_);
        hersh_watcher_logs_json(_ _ _ _);
        hersh_watcher_manage(_ _ _ _ _);
        hersh_watcher_managed_name(_ _);
        hersh_watcher_memos_json(_ _);
        hersh_watcher_name(_ _);
        hersh_watcher_new(_ _);
        hersh_watcher_now_ms(_);
        hersh_watcher_request_stop(_ _);
        hersh_watcher_request_stop_with(_ _ _ _);
        hersh_watcher_run(_ _);
        hersh_watcher_send(_ _);
        hersh_watcher_send_bytes(_ _ _);
        hersh_watcher_send_timeout(_ _ _);
        hersh_watcher_signals_json(_ _);
        hersh_watcher_start(_);
        hersh_watcher_start_api_server(_ _ _);
        hersh_watcher_state(_);
        hersh_watcher_stats_json(_ _);
        hersh_watcher_stop(_ _);
        hersh_watcher_stop_api_server(_);
        hersh_watcher_stop_with(_ _ _ _);
        hersh_watcher_value_json(_ _ _);
        hersh_watcher_values_json(_ _);
        hersh_watcher_wait(_ _ _);
        hersh_watcher_wait_for(_ _ _);
        hersh_watcher_watched_json(_ _);
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
