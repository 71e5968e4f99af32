//! What a program needs to come where its owner wants it. Pure.
use std::time::Duration;

use crate::program::{Desired, Millis, ProgramState, State};

/// How long something may be under way before it is looked at.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// How soon something that failed is tried again for the first time.
const SOON: Duration = Duration::from_secs(1);

/// What a program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// It is as its owner wants it.
    Nothing,
    /// Its restart waits for its time.
    Restart {
        /// How long.
        delay: Duration,
    },
    /// Something is under way, or has failed and is to be tried again.
    Again {
        /// How long to wait before the next look.
        delay: Duration,
        /// Whether nothing will happen unless somebody sees to it.
        stuck: bool,
    },
    /// It failed, and its owner does not want it started again by itself.
    Person {
        /// What went wrong.
        reason: String,
    },
}

/// What this program needs at this moment.
pub(super) fn need(state: &ProgramState, now: Millis) -> Need {
    if state.removed {
        return Need::Nothing;
    }
    let leftovers = match state.state {
        State::Ready => !state.strays.is_empty(),
        _ => state.containers().next().is_some(),
    };
    match state.state {
        State::Building | State::Starting | State::Stopping => {
            Need::Again { delay: UNDER_WAY, stuck: false }
        }
        State::Error => match (state.desired, state.pending_restart) {
            (Desired::Ready, Some(pending)) => {
                let delay = Duration::from_millis(pending.due_at.saturating_sub(now));
                Need::Restart { delay }
            }
            (Desired::Removed | Desired::Purged, _) => Need::Again { delay: SOON, stuck: true },
            _ if leftovers => Need::Again { delay: SOON, stuck: true },
            (Desired::Ready, None) => {
                Need::Person { reason: state.error_msg.clone().unwrap_or_default() }
            }
            (Desired::Stopped, _) => Need::Nothing,
        },
        State::Created | State::Ready | State::Stopped if leftovers => {
            Need::Again { delay: SOON, stuck: true }
        }
        State::Created | State::Ready | State::Stopped => Need::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Attempt, PendingRestart, RestartPolicy};

    fn program(state: State, desired: Desired) -> ProgramState {
        let id = "alice-build-0123456789ab-deadbeef".parse().unwrap();
        ProgramState { state, desired, ..ProgramState::new(id, RestartPolicy::default()) }
    }

    #[test]
    fn a_program_that_is_as_it_should_be_needs_nothing() {
        for (state, desired) in [
            (State::Created, Desired::Stopped),
            (State::Stopped, Desired::Stopped),
            (State::Error, Desired::Stopped),
            (State::Ready, Desired::Ready),
        ] {
            assert_eq!(need(&program(state, desired), 0), Need::Nothing, "{state}");
        }
        let gone = ProgramState { removed: true, ..program(State::Stopped, Desired::Purged) };
        assert_eq!(need(&gone, 0), Need::Nothing);
    }

    #[test]
    fn what_is_left_over_is_seen_to_in_every_state() {
        for state in [State::Created, State::Ready, State::Stopped, State::Error] {
            let mut program = program(state, Desired::Stopped);
            program.strays.push("0123456789ab".parse().unwrap());
            assert!(matches!(need(&program, 0), Need::Again { stuck: true, .. }), "{state}");
        }
    }

    #[test]
    fn a_failure_waits_for_its_restart_or_for_a_person() {
        let mut failed = program(State::Error, Desired::Ready);
        failed.error_msg = Some("oh".to_owned());
        assert_eq!(need(&failed, 0), Need::Person { reason: "oh".to_owned() });
        failed.pending_restart = Some(PendingRestart { after: Attempt(1), due_at: 1_500 });
        let delay = Duration::from_millis(500);
        assert_eq!(need(&failed, 1_000), Need::Restart { delay });
        assert_eq!(need(&failed, 2_000), Need::Restart { delay: Duration::ZERO });
        let removal = program(State::Error, Desired::Removed);
        assert!(matches!(need(&removal, 0), Need::Again { stuck: true, .. }));
    }
}
