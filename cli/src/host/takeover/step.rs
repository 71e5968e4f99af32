//! Takes the steps of a takeover.
use std::sync::{Arc, PoisonError};

use super::decide::{Step, decide};
use super::{Phase, Takeover};
use crate::host::parts::Parts;
use crate::host::storage::Meta;
use crate::program::{Desired, Event, ProgramId, Supervisor};

/// More steps than any takeover has.
const MOST: u32 = 16;

/// What became of a takeover for now.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) enum Progressed {
    /// It waits for one of its programs, and will be told.
    Waits,
    /// Something that was given up is not over yet; nobody will tell when it is.
    Lingers,
    /// There is nothing left of it.
    Over,
}

/// Takes the next steps of this successor's takeover, as many as can be taken now.
///
/// # Errors
/// Words; the step is taken again the next time.
pub(in crate::host) fn go_on(
    parts: &Arc<Parts>,
    supervisor: &Supervisor,
    successor: &ProgramId,
) -> Result<Progressed, String> {
    let _one_at_a_time = parts.taking_over.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..MOST {
        let Ok(entry) = parts.entry(successor) else { return Ok(Progressed::Over) };
        let new = &entry.meta;
        let Some(takeover) = &new.takeover else { return Ok(Progressed::Over) };
        let Some(new_state) = supervisor.state(successor).filter(|state| !state.removed) else {
            return Ok(Progressed::Over);
        };
        let old_state = supervisor.state(&takeover.of).filter(|state| !state.removed);
        let old_runs = takeover.old_runs;
        let step = decide(takeover.phase, old_runs, old_state.as_ref(), &new_state);
        let ask = |id: &ProgramId, event| {
            // A refusal says that it is on its way already; it is looked at again.
            supervisor.send(id, event).map(drop).map_err(|error| error.to_string())
        };
        let passes = matches!(step, Step::HandOver | Step::GiveBack);
        if passes && !(supervisor.is_idle(successor) && supervisor.is_idle(&takeover.of)) {
            // A start that was given up may not have come to its end, with `/state` in its hands.
            return Ok(Progressed::Lingers);
        }
        match step {
            Step::Wait => return Ok(Progressed::Waits),
            Step::Begin => {
                let runs = old_state.is_some_and(|old| old.desired == Desired::Ready);
                let takeover =
                    Takeover { phase: Phase::Switching, old_runs: runs, ..takeover.clone() };
                commit(parts, vec![Meta { takeover: Some(takeover), ..new.clone() }])?;
            }
            Step::StopOld => ask(&takeover.of, Event::UserStopRequested)?,
            Step::StopNew => ask(successor, Event::UserStopRequested)?,
            Step::StartNew => ask(successor, Event::UserStartRequested)?,
            Step::StartOld => ask(&takeover.of, Event::UserStartRequested)?,
            // Its state is the successor's already.
            Step::RemoveOld => ask(&takeover.of, Event::UserDeleteRequested { purge: true })?,
            Step::HandOver => {
                pass(parts, &takeover.of, successor)?;
                exchange(parts, new, takeover, Phase::Taken)?;
            }
            Step::TurnBack => commit(parts, vec![at(new, takeover, Phase::Returning)])?,
            Step::GiveBack => {
                pass(parts, successor, &takeover.of)?;
                exchange(parts, new, takeover, Phase::Returned)?;
            }
            Step::Inherit => {
                let name = Some(takeover.name.clone());
                commit(parts, vec![Meta { name, takeover: None, ..new.clone() }])?;
                supervisor.nudge(successor);
            }
            Step::Finish | Step::Leave => {
                commit(parts, vec![Meta { takeover: None, ..new.clone() }])?;
                supervisor.nudge(successor);
            }
        }
    }
    Ok(Progressed::Waits)
}

/// The successor's registration in another phase.
fn at(new: &Meta, takeover: &Takeover, phase: Phase) -> Meta {
    Meta { takeover: Some(Takeover { phase, ..takeover.clone() }), ..new.clone() }
}

fn pass(parts: &Parts, from: &ProgramId, to: &ProgramId) -> Result<(), String> {
    parts.storage.pass_state(from, to).map_err(|error| error.to_string())
}

/// Name and port change hands.
fn exchange(parts: &Parts, new: &Meta, takeover: &Takeover, phase: Phase) -> Result<(), String> {
    let new = at(new, takeover, phase);
    let Ok(old) = parts.entry(&takeover.of) else {
        return commit(parts, vec![Meta { name: Some(takeover.name.clone()), ..new }]);
    };
    let old = &old.meta;
    let successor = Meta { name: old.name.clone(), port: old.port, ..new.clone() };
    commit(parts, vec![successor, Meta { name: new.name, port: new.port, ..old.clone() }])
}

fn commit(parts: &Parts, changed: Vec<Meta>) -> Result<(), String> {
    parts.replace_metas(changed)
}
