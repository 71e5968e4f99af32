//! What a watcher is built from.

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;

use hersh::{Builder, Config, Watcher};

use crate::boundary;
use crate::error::Answer;
use crate::handle::{self, Handle, Table, Tag};
use crate::status::HershStatus;
use crate::text::{Out, lock, text};
use crate::token::HershToken;

/// What a watcher is built from: name, environment values, parent and settings. Every setting has a
/// default. Nonsense is found by `hersh_watcher_new`, which names the field.
///
/// May be used from any thread. Free it with `hersh_config_free`, at any time: watchers that were
/// built from it do not need it.
pub struct HershConfig {
    settings: Mutex<Settings>,
}

#[derive(Default)]
struct Settings {
    name: Option<String>,
    env: Vec<(String, String)>,
    parent: Option<hersh::CancelToken>,
    config: Config,
}

static CONFIGS: Table<HershConfig> = Table::new();

impl Handle for HershConfig {
    const TAG: Tag = Tag::Config;

    fn table() -> &'static Table<Self> {
        &CONFIGS
    }
}

impl HershConfig {
    pub(crate) fn builder(&self) -> Builder {
        let settings = lock(&self.settings);
        let mut builder = Watcher::builder().config(settings.config.clone());
        if let Some(name) = &settings.name {
            builder = builder.name(name);
        }
        if let Some(parent) = &settings.parent {
            builder = builder.parent(parent);
        }
        builder.envs(settings.env.iter().map(|(key, value)| (key, value)))
    }
}

fn change(config: *mut HershConfig, change: impl FnOnce(&mut Settings)) -> HershStatus {
    boundary::status(|| {
        let config = handle::get(config, "config")?;
        change(&mut lock(&config.settings));
        Ok(())
    })
}

fn try_change(
    config: *mut HershConfig,
    change: impl FnOnce(&mut Settings) -> Answer,
) -> HershStatus {
    boundary::status(|| change(&mut lock(&handle::get(config, "config")?.settings)))
}

/// Makes a configuration of defaults. Free it with `hersh_config_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_new(config: *mut *mut HershConfig) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(config, "config") }?;
        out.set(handle::insert(HershConfig { settings: Mutex::default() })?);
        Ok(())
    })
}

/// Frees a configuration. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_free(config: *mut HershConfig) -> HershStatus {
    boundary::status(|| handle::take(config, "config").map(drop))
}

/// The name of the watcher, for people. Default `"watcher"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_name(
    config: *mut HershConfig,
    name: *const c_char,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        settings.name = Some(unsafe { text(name, "name") }?.to_owned());
        Ok(())
    })
}

/// Sets one environment value, which the managed function reads with `hersh_context_get_env`.
/// The same key again replaces the value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_env(
    config: *mut HershConfig,
    key: *const c_char,
    value: *const c_char,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        let (key, value) = unsafe { (text(key, "key")?, text(value, "value")?) };
        settings.env.retain(|(known, _)| known != key);
        settings.env.push((key.to_owned(), value.to_owned()));
        Ok(())
    })
}

/// A token whose cancellation stops the watcher. The configuration, and each watcher built from it,
/// keep what the token stands for alive; the handle may be freed.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_parent(
    config: *mut HershConfig,
    parent: *const HershToken,
) -> HershStatus {
    try_change(config, |settings| {
        settings.parent = Some(handle::get(parent, "parent")?.token().clone());
        Ok(())
    })
}

/// How long an execution may take before `hersh_context_cancelled` says so. Default 5,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_default_timeout_ms(
    config: *mut HershConfig,
    milliseconds: u64,
) -> HershStatus {
    change(config, |s| s.config.default_timeout = Duration::from_millis(milliseconds))
}

/// How long a stop waits for a running execution, and then for the cleanup. Default 10,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_stop_timeout_ms(
    config: *mut HershConfig,
    milliseconds: u64,
) -> HershStatus {
    change(config, |s| s.config.stop_timeout = Duration::from_millis(milliseconds))
}

/// How many messages may wait. Default 1,024.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_signal_capacity(
    config: *mut HershConfig,
    messages: usize,
) -> HershStatus {
    change(config, |s| s.config.signal_capacity = messages)
}

/// How many entries each log keeps. Default 1,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_max_log_entries(
    config: *mut HershConfig,
    entries: usize,
) -> HershStatus {
    change(config, |s| s.config.max_log_entries = entries)
}

/// How many memos a session may have. Default 100.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_max_memo_entries(
    config: *mut HershConfig,
    entries: usize,
) -> HershStatus {
    change(config, |s| s.config.max_memo_entries = entries)
}

/// How many variables may be watched at one time. Default 1,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_max_watches(
    config: *mut HershConfig,
    watches: usize,
) -> HershStatus {
    change(config, |s| s.config.max_watches = watches)
}

/// How a watcher recovers from crashes of its managed function. The delay before retry `n` (from 1)
/// is `retry_delay_ms · backoff_factorⁿ⁻¹`, at most `max_delay_ms`, moved up or down by up to
/// `jitter` (0 to 1) of itself. 0 retries turn recovery off. Defaults 3, 1,000, 2.0, 60,000, 0.0.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_recovery(
    config: *mut HershConfig,
    max_retries: u32,
    retry_delay_ms: u64,
    backoff_factor: f64,
    max_delay_ms: u64,
    jitter: f64,
) -> HershStatus {
    change(config, |settings| {
        let recovery = &mut settings.config.recovery;
        recovery.max_retries = max_retries;
        recovery.retry_delay = Duration::from_millis(retry_delay_ms);
        recovery.backoff_factor = backoff_factor;
        recovery.max_delay = Duration::from_millis(max_delay_ms);
        recovery.jitter = jitter;
    })
}
