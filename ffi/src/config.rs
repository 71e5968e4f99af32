//! What a watcher is built from.

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;

use hersh::http::BearerToken;
use hersh::{ApiConfig, Builder, Config, Journal, Persist, PersistWhen};

use crate::boundary;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, lock, numbered, optional_text, text};
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
    seed: Option<u64>,
    config: Config,
    /// Whether the API is served from the first start on.
    serves: bool,
    api: ApiConfig,
}

/// When context values are written. The numbers are explicit and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershPersistWhen {
    /// After each execution that changed a value, before it counts as completed: the loss of the
    /// process at any moment loses nothing that a completed execution set. Costs two flushes of the
    /// disk each time.
    EachExecution = 0,
    /// When the session ends in good order.
    AtStop = 1,
}

/// The size, in bytes, at which a new file of a journal is begun unless said otherwise: 64 MiB.
#[expect(dead_code, reason = "C gives it")]
pub const HERSH_JOURNAL_MAX_BYTES: u64 = 67_108_864;

/// How many full files of a journal are kept, besides the one being written, unless said otherwise.
#[expect(dead_code, reason = "C gives it")]
pub const HERSH_JOURNAL_KEEP: u32 = 8;

handle_of!(HershConfig, Config);

impl HershConfig {
    /// Gives a builder all that was set.
    pub(crate) fn apply(&self, builder: Builder) -> Builder {
        let settings = lock(&self.settings);
        let mut config = settings.config.clone();
        config.api = settings.serves.then(|| settings.api.clone());
        let mut builder = builder.config(config);
        if let Some(name) = &settings.name {
            builder = builder.name(name);
        }
        if let Some(parent) = &settings.parent {
            builder = builder.parent(parent);
        }
        if let Some(seed) = settings.seed {
            builder = builder.seed(seed);
        }
        builder.envs(settings.env.iter().map(|(key, value)| (key, value)))
    }

    /// How the API is served, also where it is not from the first start on.
    pub(crate) fn api(&self) -> ApiConfig {
        lock(&self.settings).api.clone()
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

/// The seed of the jitter of recovery delays. Default random. In a simulation it is the simulation
/// that decides, unless this does.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_seed(config: *mut HershConfig, seed: u64) -> HershStatus {
    change(config, |s| s.seed = Some(seed))
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

/// Keeps context values in the file `path`, so that they survive the process; they are restored when
/// a session starts. `when` is a `HershPersistWhen`. The folder must exist, and one watcher at a time
/// may use the file. `path` NULL: kept nowhere, which is the default.
///
/// `hersh_watcher_start` answers `HERSH_STATUS_UNREADABLE` for a file that is torn or foreign, and
/// leaves it as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_persist(
    config: *mut HershConfig,
    path: *const c_char,
    when: i32,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        let path = unsafe { optional_text(path, "path") }?;
        let known = [
            (HershPersistWhen::EachExecution as i32, PersistWhen::EachExecution),
            (HershPersistWhen::AtStop as i32, PersistWhen::AtStop),
        ];
        let when = numbered(when, &known, "when")?;
        settings.config.persist = path.map(|path| Persist { path: path.into(), when });
        Ok(())
    })
}

/// Records every input to the file `path`, with its time, so that it can be replayed. At `max_bytes`
/// (at least 4,096) a new file is begun, and `keep` full ones (at most 10,000) are kept; unless you
/// know better, `HERSH_JOURNAL_MAX_BYTES` and `HERSH_JOURNAL_KEEP`. `path` NULL: recorded nowhere,
/// which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_journal(
    config: *mut HershConfig,
    path: *const c_char,
    max_bytes: u64,
    keep: u32,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        let path = unsafe { optional_text(path, "path") }?;
        settings.config.journal = path.map(|path| Journal { path: path.into(), max_bytes, keep });
        Ok(())
    })
}

/// Serves the WatcherAPI from the first start on, at `address`, like `"127.0.0.1:8080"`, or with port
/// 0 to have a free one picked. `address` NULL: at 127.0.0.1:8080, and inside a container that hersh
/// runs at 0.0.0.0:8080. Without this call it is served when `hersh_watcher_start_api_server` says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_api(
    config: *mut HershConfig,
    address: *const c_char,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        settings.api.address = match unsafe { optional_text(address, "address") }? {
            Some(address) => address.parse().map_err(|error| {
                let words = format_args!("address {address:?}: {error}: it is an IP and a port");
                Failure::new(HershStatus::InvalidArgument, words)
            })?,
            None => ApiConfig::default().address,
        };
        settings.serves = true;
        Ok(())
    })
}

/// What requests to the WatcherAPI must carry as `Authorization: Bearer ...`, all but those to its
/// two probes. NULL: nothing, which is the default. Must not be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_set_api_token(
    config: *mut HershConfig,
    token: *const c_char,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        let token = unsafe { optional_text(token, "token") }?;
        let token = token.map(|token| {
            BearerToken::new(token).ok_or_else(|| {
                Failure::new(HershStatus::InvalidArgument, "token is empty: it would let all in")
            })
        });
        settings.api.token = token.transpose()?;
        Ok(())
    })
}

/// Whether the WatcherAPI shows the values of variables that look like secrets. Default `false`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_config_set_api_show_secrets(
    config: *mut HershConfig,
    show: bool,
) -> HershStatus {
    change(config, |s| s.api.show_secrets = show)
}

/// One more name, besides IP addresses and `localhost`, by which clients may address the
/// WatcherAPI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_config_add_api_host(
    config: *mut HershConfig,
    host: *const c_char,
) -> HershStatus {
    try_change(config, |settings| {
        // SAFETY: contract, texts.
        settings.api.allowed_hosts.push(unsafe { text(host, "host") }?.to_owned());
        Ok(())
    })
}
