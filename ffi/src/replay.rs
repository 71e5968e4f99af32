//! Running a managed function over a journal.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Mutex;

use hersh::Replay;

use crate::boundary;
use crate::callback::{HershFreeFn, HershManagedFn, UserData};
use crate::handle::{self, handle_of};
use crate::managed::Managed;
use crate::status::HershStatus;
use crate::text::{Out, hand_over, lock, text};

/// A replay: the inputs of a journal, given to a managed function in the recorded order and at the
/// recorded times, without any waiting.
///
/// May be used from any thread. Free it with `hersh_replay_free`.
pub struct HershReplay {
    path: PathBuf,
    env: Mutex<Vec<(String, String)>>,
}

handle_of!(HershReplay, Replay);

/// Makes a replay of the run whose newest file is `path`, which is read when it is run. Free it with
/// `hersh_replay_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_replay_new(
    path: *const c_char,
    replay: *mut *mut HershReplay,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, texts and outputs.
        let (path, out) = unsafe { (text(path, "path")?, Out::new(replay, "replay")?) };
        out.set(handle::insert(HershReplay { path: path.into(), env: Mutex::default() })?);
        Ok(())
    })
}

/// Frees a replay. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_replay_free(replay: *mut HershReplay) -> HershStatus {
    boundary::status(|| handle::take(replay, "replay").map(drop))
}

/// Sets one environment value. Journals hold none, as they may be secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_replay_set_env(
    replay: *mut HershReplay,
    key: *const c_char,
    value: *const c_char,
) -> HershStatus {
    boundary::status(|| {
        let replay = handle::get(replay, "replay")?;
        // SAFETY: contract, texts.
        let (key, value) = unsafe { (text(key, "key")?, text(value, "value")?) };
        lock(&replay.env).push((key.to_owned(), value.to_owned()));
        Ok(())
    })
}

/// Runs the function over the journal, on this thread, up to the end or to the first change of state
/// that differs from the record. `same` gets whether none did. `report` may be NULL; else it gets
/// JSON, which is freed with `hersh_string_free`: `inputs` and `transitions` count what was given and
/// what was the same, `torn` says whether the journal ends in a line that is not whole, and
/// `divergence` is null or has `index`, `at_ns`, `expected` and `found`.
///
/// `user_data` is taken over and freed before this returns. `HERSH_STATUS_UNREADABLE` when the
/// journal is damaged, foreign, or its beginning is gone; `HERSH_STATUS_OS` when it cannot be read;
/// `HERSH_STATUS_MISMATCH` when a recorded value cannot be given to the function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_replay_run(
    replay: *const HershReplay,
    managed: HershManagedFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
    same: *mut bool,
    report: *mut *mut c_char,
) -> HershStatus {
    let data = UserData::new(user_data, free_user_data);
    boundary::status(|| {
        let replay = handle::get(replay, "replay")?;
        let mut managed = Managed::new(managed, data, None)?;
        // SAFETY: contract, outputs.
        let (same, report) = unsafe { (Out::new(same, "same")?, Out::optional(report)) };
        let env = lock(&replay.env).clone();
        let player = env
            .into_iter()
            .fold(Replay::of(&replay.path), |player, (key, value)| player.env(key, value));
        let replayed = player.run(move |message, context| managed.run(message, context))?;
        same.set(replayed.divergence.is_none());
        if let Some(report) = report {
            report.set(hand_over(&replayed.to_json().to_string()));
        }
        Ok(())
    })
}
