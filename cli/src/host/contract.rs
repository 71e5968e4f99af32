//! The contract of a program's start, from what the host knows of it; and whether containers that
//! were running when the host came up keep it.
use std::collections::HashMap;

use serde_json::Value;

use super::HostError;
use super::compose::{ComposeSpec, GenerateOptions, check, generate};
use super::docker::Docker;
use super::engine::Listed;
use super::parts::Parts;
use super::resolv;
use super::takeover::{TRIAL, Takeover};
use crate::program::{Attempt, ContainerId, ImageId, ProgramId, ProgramState};

/// The contract of one start. Nothing is written to disk.
///
/// # Errors
/// [`HostError::NotFound`].
pub(super) fn of(
    parts: &Parts,
    id: &ProgramId,
    attempt: Attempt,
    image: &ImageId,
) -> Result<ComposeSpec, HostError> {
    let Parts { config, storage, host_id, .. } = parts;
    let entry = parts.entry(id)?;
    let meta = &entry.meta;
    let mut env = meta.env.clone();
    if meta.takeover.as_ref().is_some_and(Takeover::is_trial) {
        env.insert(TRIAL.to_owned(), "1".to_owned());
    }
    Ok(generate(&GenerateOptions {
        program_id: id,
        attempt,
        host_id,
        image,
        runtime: config.runtime,
        network: meta.network,
        bridge: &Docker::bridge(host_id),
        port: meta.port,
        limits: meta.limits,
        env: &env,
        state: &storage.state(id),
        resolv_conf: &storage.data().join(resolv::FILE),
        empty: &storage.empty(),
        env_file: &storage.runtime(id).join("env"),
        stop_grace_s: config.stop_grace.as_secs(),
    }))
}

/// What the engine says of a container against its contract: nothing, or words.
pub(super) fn broken(seen: &Value, spec: &ComposeSpec) -> Option<String> {
    let words: Vec<_> = check(seen, spec).iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Removes those of the listed containers that would be adopted and do not keep their program's
/// contract: somebody has changed them while there was no host. What is left is returned.
/// There is no grace for what may do what it likes meanwhile; its program is started again.
///
/// # Errors
/// The engine's words; then nothing is to be taken up.
pub(super) fn sort_out(
    parts: &Parts,
    states: &[ProgramState],
    listed: Vec<Listed>,
) -> Result<Vec<Listed>, String> {
    let by_id: HashMap<_, _> = states.iter().map(|state| (&state.id, state)).collect();
    let owner = |one: &Listed| {
        let state = *by_id.get(one.program_id.as_ref()?)?;
        let own = state.container_id.as_ref().is_none_or(|id| *id == one.container_id);
        (one.running && own && state.is_up()).then_some(state)
    };
    let candidates: Vec<_> = listed
        .iter()
        .filter(|one| owner(one).is_some())
        .map(|one| one.container_id.clone())
        .collect();
    let seen = parts.engine.inspect_all(&candidates).map_err(|error| error.to_string())?;
    let seen: HashMap<_, _> =
        seen.iter().filter_map(|one| Some((one["Id"].as_str()?, one))).collect();
    let mut kept = Vec::new();
    for one in listed {
        let facts = owner(&one).zip(seen.get(one.container_id.as_str()));
        match facts.and_then(|(state, seen)| breaks(parts, state, seen)) {
            None => kept.push(one),
            Some(words) => remove(parts, &one.container_id, &words)?,
        }
    }
    Ok(kept)
}

/// Why this container is not one that the host would have started for this program.
fn breaks(parts: &Parts, state: &ProgramState, seen: &Value) -> Option<String> {
    // A registry that was lost does not know the image; then its label has to do.
    let own = || seen["Image"].as_str().and_then(|text| text.parse().ok());
    let image = state.image_id.clone().or_else(own)?;
    let spec = of(parts, &state.id, state.attempt, &image).ok()?;
    broken(seen, &spec)
}

fn remove(parts: &Parts, container: &ContainerId, words: &str) -> Result<(), String> {
    parts.engine.remove(container).map_err(|error| error.to_string())?;
    let told =
        format!("container {container} was removed, since it did not keep the contract: {words}");
    parts.note("contract", Some(told));
    Ok(())
}
