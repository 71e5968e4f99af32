//! What a host knows when it is opened: its registry, and what only the folders know of.
use crate::host::HostError;
use crate::host::parts::Parts;
use crate::host::registry::Registered;
use crate::host::storage::{Meta, Progress};
use crate::host::view::Timestamp;
use crate::program::{Desired, ProgramState, State};

/// Puts a program into the registry; one whose registry was lost comes as it was last noted.
pub(super) fn register(
    parts: &Parts,
    meta: Meta,
    noted: Option<Progress>,
) -> Result<ProgramState, HostError> {
    let mut state = ProgramState::new(meta.program_id.clone(), meta.policy);
    if let Some(progress) = noted.filter(|progress| progress.attempt.0 > 0) {
        state.attempt = progress.attempt;
        state.desired = progress.desired;
        // What it is really doing is found out when the engine is asked.
        state.state = match progress.desired {
            Desired::Ready => State::Ready,
            _ => State::Stopped,
        };
    }
    let updated_at = Timestamp::now();
    let registered = Registered { meta: meta.clone(), state: state.clone(), updated_at };
    parts.registry.insert(&registered)?;
    parts.add_entry(meta, updated_at);
    Ok(state)
}

/// Reads the registry, and adds what only the folders know of.
pub(super) fn load(parts: &Parts) -> Result<Vec<ProgramState>, HostError> {
    let mut states = Vec::new();
    for Registered { meta, state, updated_at } in parts.registry.load()? {
        parts.add_entry(meta, updated_at);
        states.push(state);
    }
    let mut lost = Vec::new();
    for id in parts.storage.list()? {
        if parts.entry(&id).is_ok() {
            continue;
        }
        let registered = parts
            .storage
            .meta(&id)
            .and_then(|(meta, progress)| register(parts, meta, Some(progress)));
        match registered {
            Ok(state) => states.push(state),
            // One folder that cannot be read must not keep the others from running.
            Err(error) => lost.push(format!("{id}: {error}")),
        }
    }
    parts.note("folders", (!lost.is_empty()).then(|| lost.join("; ")));
    Ok(states)
}
