//! The next step of a takeover, from what is known of both programs. Pure.
use super::Phase;
use crate::program::{Desired, ProgramState, State};

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something is under way; it will be told.
    Wait,
    /// The successor has proved itself: the hand-over begins.
    Begin,
    /// Stop the old one.
    StopOld,
    /// Stop the successor.
    StopNew,
    /// Hand state, name and port to the successor.
    HandOver,
    /// Start the successor with what it was given.
    StartNew,
    /// Remove the old one, of which nothing is left that anybody needs.
    RemoveOld,
    /// It did not become Ready: begin to give everything back.
    TurnBack,
    /// Hand state, name and port back.
    GiveBack,
    /// Start the old one again.
    StartOld,
    /// The successor is the program of that name now.
    Finish,
    /// The successor is a program without a name; the old one serves.
    Leave,
    /// The old one has gone by itself, and nothing of the successor runs: it takes the name.
    Inherit,
}

/// Nothing of it runs, and nothing will by itself.
fn at_rest(program: &ProgramState) -> bool {
    program.desired == Desired::Stopped && rests(program)
}

/// Nothing of it runs at this moment.
fn rests(program: &ProgramState) -> bool {
    matches!(program.state, State::Created | State::Stopped | State::Error)
        && program.containers().next().is_none()
}

/// The next step of a takeover by a successor that exists.
pub(super) fn decide(
    phase: Phase,
    old_runs: bool,
    old: Option<&ProgramState>,
    new: &ProgramState,
) -> Step {
    if new.desired.is_removal() {
        return Step::Wait;
    }
    let old_at_rest = old.is_none_or(at_rest);
    let old_goes = old.is_some_and(|old| old.desired.is_removal());
    match phase {
        // Also where the old one is gone: what runs was told that it is only tried.
        Phase::Beside if new.state == State::Ready && !old_goes => Step::Begin,
        Phase::Beside if old.is_none() && rests(new) => Step::Inherit,
        Phase::Beside => Step::Wait,
        Phase::Switching if !old_at_rest => stop_unless_stopping(old, Step::StopOld),
        Phase::Switching | Phase::Returning if !at_rest(new) => {
            stop_unless_stopping(Some(new), Step::StopNew)
        }
        Phase::Switching => Step::HandOver,
        Phase::Returning => Step::GiveBack,
        Phase::Taken if old_goes => Step::Wait,
        Phase::Taken => match new.state {
            _ if at_rest(new) => Step::StartNew,
            // There is nothing to turn back to.
            State::Ready | State::Error if old.is_none() => Step::Finish,
            State::Ready => Step::RemoveOld,
            State::Error => Step::TurnBack,
            _ => Step::Wait,
        },
        Phase::Returned => match old {
            Some(old) if old_runs && old.desired == Desired::Stopped => Step::StartOld,
            _ => Step::Leave,
        },
    }
}

/// A program that is on its way out already is not asked again.
fn stop_unless_stopping(program: Option<&ProgramState>, stop: Step) -> Step {
    let stopping = |program: &ProgramState| {
        program.state == State::Stopping && program.desired == Desired::Stopped
    };
    if program.is_some_and(stopping) { Step::Wait } else { stop }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Event, RestartPolicy, reduce};

    fn program(state: State, desired: Desired) -> ProgramState {
        let id = "alice-build-0123456789ab-deadbeef".parse().unwrap();
        let mut program = ProgramState::new(id, RestartPolicy::default());
        (program.state, program.desired) = (state, desired);
        if state == State::Ready {
            program.container_id = Some("0123456789ab".parse().unwrap());
        }
        program
    }

    fn stopped() -> ProgramState {
        program(State::Stopped, Desired::Stopped)
    }

    fn ready() -> ProgramState {
        program(State::Ready, Desired::Ready)
    }

    #[test]
    fn nothing_is_touched_before_the_successor_has_proved_itself() {
        for state in [State::Created, State::Building, State::Starting, State::Error] {
            let new = program(state, Desired::Ready);
            assert_eq!(decide(Phase::Beside, false, Some(&ready()), &new), Step::Wait, "{state}");
        }
        assert_eq!(decide(Phase::Beside, false, Some(&ready()), &ready()), Step::Begin);
    }

    #[test]
    fn one_whose_predecessor_is_gone_serves_only_when_its_trial_is_over() {
        assert_eq!(decide(Phase::Beside, false, None, &ready()), Step::Begin);
        for state in State::ALL {
            let new = program(state, Desired::Ready);
            let takes_it = matches!(state, State::Created | State::Stopped | State::Error);
            let step = decide(Phase::Beside, false, None, &new);
            assert_eq!(step == Step::Inherit, takes_it, "{state}");
        }
        assert_eq!(decide(Phase::Switching, false, None, &ready()), Step::StopNew);
        assert_eq!(decide(Phase::Switching, false, None, &stopped()), Step::HandOver);
        assert_eq!(decide(Phase::Taken, false, None, &stopped()), Step::StartNew);
        let starting = program(State::Building, Desired::Ready);
        assert_eq!(decide(Phase::Taken, false, None, &starting), Step::Wait);
        assert_eq!(decide(Phase::Taken, false, None, &ready()), Step::Finish);
    }

    #[test]
    fn state_changes_hands_only_while_both_are_at_rest() {
        for phase in [Phase::Switching, Phase::Returning] {
            for state in State::ALL {
                for desired in [Desired::Stopped, Desired::Ready] {
                    let new = program(state, desired);
                    let step = decide(phase, true, Some(&stopped()), &new);
                    let hands = matches!(step, Step::HandOver | Step::GiveBack);
                    assert_eq!(hands, at_rest(&new), "{phase:?} {state} {desired:?}");
                }
            }
        }
        assert_eq!(decide(Phase::Switching, true, Some(&ready()), &stopped()), Step::StopOld);
        let mut leftover = stopped();
        leftover.strays.push("0123456789ab".parse().unwrap());
        assert_ne!(decide(Phase::Switching, true, Some(&leftover), &stopped()), Step::HandOver);
    }

    #[test]
    fn the_old_one_is_removed_only_when_the_successor_is_ready_with_its_state() {
        for state in State::ALL {
            let new = program(state, Desired::Ready);
            let step = decide(Phase::Taken, true, Some(&stopped()), &new);
            assert_eq!(step == Step::RemoveOld, state == State::Ready, "{state}");
        }
        let failed = program(State::Error, Desired::Ready);
        assert_eq!(decide(Phase::Taken, true, Some(&stopped()), &failed), Step::TurnBack);
        let going = program(State::Stopping, Desired::Purged);
        assert_eq!(decide(Phase::Taken, true, Some(&going), &failed), Step::Wait);
        assert_eq!(decide(Phase::Taken, true, None, &failed), Step::Finish);
    }

    #[test]
    fn the_old_one_comes_back_if_it_ran() {
        assert_eq!(decide(Phase::Returned, true, Some(&stopped()), &stopped()), Step::StartOld);
        assert_eq!(decide(Phase::Returned, false, Some(&stopped()), &stopped()), Step::Leave);
        let started = reduce(stopped(), &Event::UserStartRequested, 0).state;
        assert_eq!(decide(Phase::Returned, true, Some(&started), &stopped()), Step::Leave);
    }
}
