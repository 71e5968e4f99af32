//! What the host does for itself now and then.
use std::collections::BTreeMap;

use crate::host::parts::Parts;
use crate::host::view::Timestamp;
use crate::program::{ImageId, ProgramId, ProgramState, State, Supervisor};

/// Removes images that nobody will start from: of programs that are gone, of earlier builds, and of
/// programs that have not run for so long that they are built again when they are started.
///
/// # Errors
/// The engine's words; what was not removed is tried again.
pub(super) fn expire_images(parts: &Parts, supervisor: &Supervisor) -> Result<(), String> {
    // Listed before the programs are looked at: what is built after that is not in the list.
    let images = parts.engine.images().map_err(|error| error.to_string())?;
    let now = Timestamp::now();
    let keep_for = u64::try_from(parts.config.keep_images.as_millis()).unwrap_or(u64::MAX);
    let states: BTreeMap<ProgramId, ProgramState> =
        supervisor.states().into_iter().map(|state| (state.id.clone(), state)).collect();
    let idle_for = |id: &ProgramId| {
        let entry = parts.entry(id).ok();
        let updated = entry.map(|e| e.updated_at.load(std::sync::atomic::Ordering::Relaxed));
        now.0.saturating_sub(updated.unwrap_or(now.0))
    };
    let mut wrong = Vec::new();
    for (image, program) in images {
        let state = program.as_ref().and_then(|id| states.get(id));
        if state.is_some_and(|state| is_needed(state, &image, idle_for(&state.id), keep_for)) {
            continue;
        }
        wrong.extend(parts.engine.remove_image(&image).err().map(|error| error.to_string()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Whether a program may still be started from this image.
fn is_needed(state: &ProgramState, image: &ImageId, idle_ms: u64, keep_ms: u64) -> bool {
    match state.state {
        // The one being built is not known yet.
        State::Building | State::Starting | State::Stopping => true,
        State::Ready => state.image_id.as_ref() == Some(image),
        State::Created | State::Stopped | State::Error => {
            state.image_id.as_ref() == Some(image) && idle_ms < keep_ms
        }
    }
}

/// Keeps the logs of all programs within their bounds.
pub(super) fn rotate_logs(parts: &Parts, supervisor: &Supervisor) {
    for state in supervisor.states() {
        parts.storage.rotate_logs(&state.id, state.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::RestartPolicy;

    #[test]
    fn an_image_is_kept_while_somebody_may_start_from_it() {
        let image =
            |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<ImageId>().unwrap();
        let id = "alice-build-0123456789ab-deadbeef".parse().unwrap();
        let mut state = ProgramState::new(id, RestartPolicy::default());
        state.image_id = Some(image("1"));
        for (now, other, own) in [
            (State::Ready, false, true),
            (State::Building, true, true),
            (State::Stopped, false, true),
        ] {
            state.state = now;
            assert_eq!(is_needed(&state, &image("2"), 10, 20), other, "another, {now}");
            assert_eq!(is_needed(&state, &image("1"), 10, 20), own, "its own, {now}");
        }
        assert!(!is_needed(&state, &image("1"), 20, 20), "it has not run for too long");
    }
}
