//! The states of a watcher, as numbers.

use std::ffi::c_char;

use hersh::State;

use crate::error::{Answer, Failure};
use crate::status::HershStatus;

/// Where a watcher is in its life. The numbers are explicit and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershState {
    /// No state: the handle was not one of a watcher or a report.
    Invalid = -1,
    /// Built, never started.
    NotRun = 0,
    /// The first execution of a session is under way.
    InitRun = 1,
    /// Idle: waiting for a message or a change.
    Ready = 2,
    /// An execution is under way.
    Running = 3,
    /// Ended in good order; may be started again.
    Stopped = 4,
    /// Ended at once, without cleanup.
    Killed = 5,
    /// The managed function crashed and no retry is left.
    Crashed = 6,
    /// The managed function crashed and runs again after a delay.
    WaitRecover = 7,
}

impl From<State> for HershState {
    fn from(state: State) -> Self {
        match state {
            State::NotRun => Self::NotRun,
            State::InitRun => Self::InitRun,
            State::Ready => Self::Ready,
            State::Running => Self::Running,
            State::Stopped => Self::Stopped,
            State::Killed => Self::Killed,
            State::Crashed => Self::Crashed,
            State::WaitRecover => Self::WaitRecover,
        }
    }
}

/// A state that C named by its number.
pub(crate) fn from_number(number: i32) -> Answer<State> {
    let known = State::ALL.into_iter().find(|state| HershState::from(*state) as i32 == number);
    known.ok_or_else(|| {
        let words = format_args!("{number} is the number of no state of a watcher");
        Failure::new(HershStatus::InvalidArgument, words)
    })
}

/// The name of a state, for a log: `"Ready"`; for a number that is none, `"Invalid"`. Never NULL,
/// valid for the life of the process, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_state_name(state: i32) -> *const c_char {
    let name = match from_number(state) {
        Ok(State::NotRun) => c"NotRun",
        Ok(State::InitRun) => c"InitRun",
        Ok(State::Ready) => c"Ready",
        Ok(State::Running) => c"Running",
        Ok(State::Stopped) => c"Stopped",
        Ok(State::Killed) => c"Killed",
        Ok(State::Crashed) => c"Crashed",
        Ok(State::WaitRecover) => c"WaitRecover",
        Err(_) => c"Invalid",
    };
    name.as_ptr()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn numbers_names_and_states_agree() {
        for state in State::ALL {
            let number = HershState::from(state) as i32;
            assert_eq!(from_number(number).expect("a state"), state);
            // SAFETY: the function answers with static text.
            let name = unsafe { CStr::from_ptr(hersh_state_name(number)) };
            assert_eq!(name.to_str(), Ok(state.as_str()));
        }
        assert!(from_number(-1).is_err() && from_number(8).is_err());
    }
}
