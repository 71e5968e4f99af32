//! What a program says to an event.
use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::state::ProgramState;

/// Why a request cannot be met in the state that the program is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Start or restart while it is built or started.
    #[error("it is already being started")]
    AlreadyStarting,
    /// Start while it is Ready.
    #[error("it is already running")]
    AlreadyReady,
    /// Start or restart while it is being stopped.
    #[error("it is being stopped: ask again when it is Stopped")]
    StillStopping,
    /// Stop while it is being stopped.
    #[error("it is already being stopped")]
    AlreadyStopping,
    /// Stop while nothing of it runs.
    #[error("it is not running")]
    NotRunning,
    /// Anything while `/state` changes hands between it and another program.
    #[error("it is taking over from another program, or the other from it: ask again in a moment")]
    TakingOver,
    /// Anything but delete while it is being removed.
    #[error("it is being removed")]
    BeingRemoved,
    /// Anything after it was removed.
    #[error("it has been removed")]
    Removed,
}

/// How an event was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was taken into account.
    Applied,
    /// It is a result that came too late, or twice, or for nothing: it changed nothing.
    Stale,
    /// It is a request that cannot be met now; it changed nothing.
    Refused(Refusal),
}

/// What an event leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    /// What is known afterwards.
    pub state: ProgramState,
    /// What has to be done, in this order.
    pub effects: Vec<Effect>,
    /// How the event was received.
    pub answer: Answer,
}
