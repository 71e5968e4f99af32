//! How a Kharon works, and where its tickets are kept.

use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::kharon::{
    Durability, Kharon, Label, MemoryStore, Settings, SqliteOptions, SqliteStore, SystemClock,
    VirtualClock,
};

use crate::boundary;
use crate::error::Answer;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, lock, numbered, optional_text, text};
use crate::token::timeout;

/// How a Kharon works, and where its tickets are kept. Every setting has a default. Nonsense is found
/// by `hersh_kharon_new`, which names the field.
///
/// May be used from any thread. Free it with `hersh_kharon_config_free`, at any time.
pub struct HershKharonConfig {
    chosen: Mutex<Chosen>,
}

#[derive(Default)]
struct Chosen {
    settings: Settings,
    /// Whether tubes were named: the first one named takes the place of the default.
    tubes_named: bool,
    sqlite: Option<(PathBuf, SqliteOptions)>,
    virtual_time: bool,
}

handle_of!(HershKharonConfig, KharonConfig);

/// What an acknowledged change of a ticket in a SQLite file survives. The numbers are explicit and
/// never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershDurability {
    /// The end of the process, and the loss of power: every change waits for the disk.
    Full = 0,
    /// The end of the process alone, `kill -9` included. After a loss of power the last changes may
    /// be missing, but the file is whole.
    Normal = 1,
}

impl HershKharonConfig {
    /// A Kharon as this says, and its clock if that is a virtual one.
    pub(super) fn build(&self) -> Answer<(Kharon, Option<Arc<VirtualClock>>)> {
        let chosen = lock(&self.chosen);
        let settings = chosen.settings.clone();
        settings.check()?;
        let sqlite = chosen.sqlite.as_ref();
        if chosen.virtual_time {
            let clock = Arc::new(VirtualClock::new());
            let its = || Arc::clone(&clock);
            let kharon = match sqlite {
                Some((path, options)) => {
                    let store = SqliteStore::open_with(path, options, its())?;
                    Kharon::with_clock(store, settings, its())?
                }
                None => Kharon::with_clock(MemoryStore::with_clock(its()), settings, its())?,
            };
            return Ok((kharon, Some(clock)));
        }
        let kharon = match sqlite {
            Some((path, options)) => {
                Kharon::new(SqliteStore::open_with(path, options, SystemClock::new())?, settings)?
            }
            None => Kharon::new(MemoryStore::new(), settings)?,
        };
        Ok((kharon, None))
    }
}

fn change(
    config: *mut HershKharonConfig,
    change: impl FnOnce(&mut Chosen) -> Answer,
) -> HershStatus {
    boundary::status(|| change(&mut lock(&handle::get(config, "config")?.chosen)))
}

fn set(config: *mut HershKharonConfig, set: impl FnOnce(&mut Settings)) -> HershStatus {
    change(config, |chosen| {
        set(&mut chosen.settings);
        Ok(())
    })
}

/// Makes a configuration of defaults: tickets in memory. Free it with `hersh_kharon_config_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_config_new(
    config: *mut *mut HershKharonConfig,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(config, "config") }?;
        out.set(handle::insert(HershKharonConfig { chosen: Mutex::default() })?);
        Ok(())
    })
}

/// Frees a configuration. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_free(config: *mut HershKharonConfig) -> HershStatus {
    boundary::status(|| handle::take(config, "config").map(drop))
}

/// Keeps tickets in the SQLite file `path`, which is made if there is none; several processes of a
/// machine may share it. `durability` is a `HershDurability`; `busy_timeout_ms` is how long a call
/// waits for another process that writes, before it is `HERSH_STATUS_STORE_UNAVAILABLE`. `path` NULL:
/// in memory, which ends with the process and is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_config_set_sqlite(
    config: *mut HershKharonConfig,
    path: *const c_char,
    durability: i32,
    busy_timeout_ms: u64,
) -> HershStatus {
    change(config, |chosen| {
        // SAFETY: contract, texts.
        let path = unsafe { optional_text(path, "path") }?;
        let known = [
            (HershDurability::Full as i32, Durability::Full),
            (HershDurability::Normal as i32, Durability::Normal),
        ];
        let durability = numbered(durability, &known, "durability")?;
        let busy_timeout = Duration::from_millis(busy_timeout_ms);
        let options = SqliteOptions { durability, busy_timeout };
        chosen.sqlite = path.map(|path| (path.into(), options));
        Ok(())
    })
}

/// Whether time is virtual: it stands still at 2025-01-01 00:00 UTC until `hersh_kharon_advance_ms`
/// moves it and runs what falls due, on the calling thread. For tests. Default `false`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_virtual_time(
    config: *mut HershKharonConfig,
    virtual_time: bool,
) -> HershStatus {
    change(config, |chosen| {
        chosen.virtual_time = virtual_time;
        Ok(())
    })
}

/// How many threads run handlers, from 1 to 1,024. Default 4.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_workers(
    config: *mut HershKharonConfig,
    workers: usize,
) -> HershStatus {
    set(config, |settings| settings.workers = workers)
}

/// The most tickets claimed at once, from 1 to 1,024. Default 10.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_batch_size(
    config: *mut HershKharonConfig,
    tickets: usize,
) -> HershStatus {
    set(config, |settings| settings.batch_size = tickets)
}

/// How long a worker may have a ticket before others may claim it. Default 30,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_process_time_ms(
    config: *mut HershKharonConfig,
    milliseconds: u64,
) -> HershStatus {
    set(config, |settings| settings.process_time = Duration::from_millis(milliseconds))
}

/// The shortest and the longest time between two looks into the store. Being told of a new ticket
/// waits for neither. Defaults 10 and 15,000.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_poll_interval_ms(
    config: *mut HershKharonConfig,
    shortest: u64,
    longest: u64,
) -> HershStatus {
    set(config, |settings| {
        settings.min_poll_interval = Duration::from_millis(shortest);
        settings.max_poll_interval = Duration::from_millis(longest);
    })
}

/// Whether to remove tickets that have expired. Default `true`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_expiration(
    config: *mut HershKharonConfig,
    expiration: bool,
) -> HershStatus {
    set(config, |settings| settings.expiration = expiration)
}

/// How long a ticket waits after a failed attempt: `base` to the power of the attempts, in seconds,
/// at most `max_ms`; the part `jitter` of it, from 0 to 1, is left to chance. Defaults 1.5, 15,000,
/// 0.2.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_backoff(
    config: *mut HershKharonConfig,
    base: f64,
    max_ms: u64,
    jitter: f64,
) -> HershStatus {
    set(config, |settings| {
        settings.backoff.base = base;
        settings.backoff.max = Duration::from_millis(max_ms);
        settings.backoff.jitter = jitter;
    })
}

/// After how many failed attempts a ticket is failed for good; 0: never, which is the default.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_max_attempts(
    config: *mut HershKharonConfig,
    attempts: u32,
) -> HershStatus {
    set(config, |settings| settings.max_attempts = (attempts > 0).then_some(attempts))
}

/// How long a ticket stays after its handler succeeded; `HERSH_FOREVER`, the default: until it is
/// deleted.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_config_set_keep_done_ms(
    config: *mut HershKharonConfig,
    milliseconds: u64,
) -> HershStatus {
    set(config, |settings| settings.keep_done = timeout(milliseconds))
}

/// One more tube to work on. Without this call: the tube `"default"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_config_add_tube(
    config: *mut HershKharonConfig,
    tube: *const c_char,
) -> HershStatus {
    change(config, |chosen| {
        // SAFETY: contract, texts.
        let tube = Label::new(unsafe { text(tube, "tube") }?)?;
        if !std::mem::replace(&mut chosen.tubes_named, true) {
            chosen.settings.tubes.clear();
        }
        chosen.settings.tubes.push(tube);
        Ok(())
    })
}
