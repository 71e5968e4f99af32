//! The states of a watcher.

use std::fmt;

/// Where a watcher is in its life.
///
/// `Crashed` at rest is terminal; on the way to `WaitRecover` it is passed through and visible in
/// the transition log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Built, never started.
    #[default]
    NotRun,
    /// The first execution of a session is under way.
    InitRun,
    /// Idle: waiting for a message or a change.
    Ready,
    /// An execution is under way.
    Running,
    /// Ended in good order; may be started again.
    Stopped,
    /// Ended at once, without cleanup.
    Killed,
    /// The managed function crashed and no retry is left.
    Crashed,
    /// The managed function crashed and runs again after a delay.
    WaitRecover,
}

impl State {
    /// All states, in the order in which a life passes them.
    pub const ALL: [Self; 8] = [
        Self::NotRun,
        Self::InitRun,
        Self::Ready,
        Self::Running,
        Self::Stopped,
        Self::Killed,
        Self::Crashed,
        Self::WaitRecover,
    ];

    /// The name that the WatcherAPI, the header and the Python package use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRun => "NotRun",
            Self::InitRun => "InitRun",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
            Self::Killed => "Killed",
            Self::Crashed => "Crashed",
            Self::WaitRecover => "WaitRecover",
        }
    }

    /// The session is over: nothing runs and nothing will, unless a stopped watcher is started.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Stopped | Self::Killed | Self::Crashed)
    }

    /// A session is under way.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::InitRun | Self::Ready | Self::Running | Self::WaitRecover)
    }

    pub(crate) const fn from_u8(number: u8) -> Self {
        Self::ALL[(number & 7) as usize]
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn numbers_and_states_map_onto_each_other() {
        for state in State::ALL {
            assert_eq!(State::from_u8(state as u8), state);
        }
    }
}
