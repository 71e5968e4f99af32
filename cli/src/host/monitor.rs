//! Looks whether what should run does, and answers; the `health` ticket says when.
//!
//! One question to the engine for all programs (`docker container ls`), and, but for one look in a
//! while, only while one of them has a container: a stream of the engine's events would be quicker,
//! but it breaks without a word, forgets what happened meanwhile, and so needs this question beside
//! it all the same.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::answers;
use super::contract;
use super::engine::Listed;
use super::parts::Parts;
use super::plan::{Action, plan};
use crate::program::{ContainerId, Event, ProgramId, ProgramState, Supervisor};

/// Every so many looks, one is taken although no program has a container that is known: for those
/// that nobody knows of.
const THOROUGH: u32 = 15;

/// Looks whether what should run does; adopts what the last host left, where that has not been done.
///
/// # Errors
/// The engine's words when it does not answer.
pub(super) fn look(parts: &Parts, supervisor: &Arc<Supervisor>) -> Result<(), String> {
    if !parts.is_taken_up() {
        return take_up(parts, supervisor);
    }
    let checked = check(parts, supervisor, parts.count_look().is_multiple_of(THOROUGH));
    // Whether they answer can be known while the engine does not.
    answers::ask(parts, supervisor);
    checked
}

/// Takes all programs up where the last host left them.
///
/// # Errors
/// The engine's words when it does not answer; nothing is taken up then.
pub(super) fn take_up(parts: &Parts, supervisor: &Arc<Supervisor>) -> Result<(), String> {
    let states = supervisor.states();
    let listed = contract::sort_out(parts, &states, list(parts)?)?;
    for action in plan(states.iter().map(|state| &state.id), &listed) {
        match action {
            // It goes on by itself from here; one that has gone meanwhile needs nothing.
            Action::TakeUp { program, found } => {
                drop(supervisor.send(&program, Event::HostStarted { found }));
            }
            Action::RemoveOrphan { container } => remove_orphan(parts, &container),
        }
    }
    parts.set_taken_up();
    Ok(())
}

fn remove_orphan(parts: &Parts, container: &ContainerId) {
    // Its program is gone, and nobody waits for what it may still want to do.
    let removed = parts.engine.stop(container, Duration::ZERO);
    parts.note("orphans", removed.err().map(|error| error.to_string()));
}

fn list(parts: &Parts) -> Result<Vec<Listed>, String> {
    // An engine that did not answer when the host came up has not been asked what it is.
    let listed = parts.facts().and_then(|_| parts.engine.list().map_err(|e| e.to_string()));
    parts.note("engine", listed.as_ref().err().cloned());
    if listed.is_err() {
        parts.forget_facts();
    }
    listed
}

fn check(parts: &Parts, supervisor: &Supervisor, thorough: bool) -> Result<(), String> {
    let before = supervisor.states();
    let idle = before.iter().all(|state| state.containers().next().is_none());
    if idle && !thorough {
        return Ok(());
    }
    let listed = list(parts)?;
    if thorough {
        parts.uphold();
    }
    let mut by_program: HashMap<&ProgramId, Vec<&Listed>> = HashMap::new();
    for one in &listed {
        match &one.program_id {
            // Asked now, and not of `before`: it may have been registered since.
            Some(id) if supervisor.state(id).is_some() => {
                by_program.entry(id).or_default().push(one);
            }
            _ => remove_orphan(parts, &one.container_id),
        }
    }
    for state in &before {
        let own = by_program.get(&state.id).map_or(&[][..], Vec::as_slice);
        if let Some(event) = finding(state, own) {
            // A queue that is full is told again at the next look.
            drop(supervisor.send(&state.id, event));
        }
    }
    Ok(())
}

/// What there is to tell a program about its containers, if anything.
fn finding(state: &ProgramState, own: &[&Listed]) -> Option<Event> {
    let runs = |id: &ContainerId| own.iter().any(|one| one.container_id == *id && one.running);
    let ended = state.is_up() && !state.container_id.as_ref().is_some_and(runs);
    let strange = |one: &&&Listed| !state.containers().any(|id| *id == one.container_id);
    let unknown: Vec<_> = own.iter().filter(strange).map(|one| one.container_id.clone()).collect();
    let tell = ended || !unknown.is_empty() || !state.strays.is_empty();
    tell.then_some(Event::RuntimeCheckRequested { unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Attempt, RestartPolicy, State};

    fn container(number: u8) -> ContainerId {
        format!("{number:012x}").parse().unwrap()
    }

    fn ready() -> ProgramState {
        let id = "alice-build-0123456789ab-deadbeef".parse().unwrap();
        let mut state = ProgramState::new(id, RestartPolicy::default());
        state.state = State::Ready;
        state.container_id = Some(container(1));
        state
    }

    fn listed(number: u8, running: bool) -> Listed {
        Listed { container_id: container(number), program_id: None, attempt: Attempt(1), running }
    }

    #[test]
    fn only_what_is_not_as_it_should_be_is_told() {
        let nothing = Event::RuntimeCheckRequested { unknown: vec![] };
        assert_eq!(finding(&ready(), &[&listed(1, true)]), None);
        assert_eq!(finding(&ready(), &[&listed(1, false)]), Some(nothing.clone()));
        assert_eq!(finding(&ready(), &[]), Some(nothing.clone()));
        let stranger = Event::RuntimeCheckRequested { unknown: vec![container(2)] };
        assert_eq!(finding(&ready(), &[&listed(1, true), &listed(2, true)]), Some(stranger));
        let mut stray = ready();
        stray.state = State::Stopped;
        stray.strays = vec![container(1)];
        stray.container_id = None;
        assert_eq!(finding(&stray, &[]), Some(nothing));
        stray.strays.clear();
        assert_eq!(finding(&stray, &[]), None);
    }
}
