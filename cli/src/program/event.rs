//! What may happen to a program.
use serde::{Deserialize, Serialize};

use super::state::{Attempt, ContainerId, Exit, ImageId};

/// A container that was seen when the host came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundContainer {
    /// Which container.
    pub container_id: ContainerId,
    /// The start that it belongs to, from its label.
    pub attempt: Attempt,
    /// Whether it runs.
    pub running: bool,
}

/// What happened. Results carry the attempt of the effect that they answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Event {
    /// The owner wants it to run.
    UserStartRequested,
    /// The owner wants it to stop.
    UserStopRequested,
    /// The owner wants it stopped and started again.
    UserRestartRequested,
    /// The owner wants it gone.
    UserDeleteRequested {
        /// Whether what it wrote to `/state` goes too.
        purge: bool,
    },
    /// Answers `EnsureProgramFolders`.
    FoldersEnsured {
        /// Of which start.
        attempt: Attempt,
        /// What went wrong, if anything.
        error: Option<String>,
    },
    /// Answers `BuildRuntime`.
    BuildFinished {
        /// Of which start.
        attempt: Attempt,
        /// The image, or what went wrong.
        outcome: Result<ImageId, String>,
    },
    /// Answers `StartRuntime`: the container runs, keeps the contract and answers.
    RuntimeStarted {
        /// Of which start.
        attempt: Attempt,
        /// The container.
        container_id: ContainerId,
    },
    /// Answers `StartRuntime`: there is no container.
    StartFailed {
        /// Of which start.
        attempt: Attempt,
        /// What went wrong.
        reason: String,
    },
    /// Answers `FetchRuntimeStatus` when the container does not run any more.
    RuntimeExited {
        /// Of which start.
        attempt: Attempt,
        /// The container.
        container_id: ContainerId,
        /// How it ended.
        exit: Exit,
    },
    /// The program is Ready, its container runs, and it did not answer several times in a row.
    RuntimeSilent {
        /// Of which start.
        attempt: Attempt,
        /// The container.
        container_id: ContainerId,
        /// What has not answered, and since when.
        reason: String,
    },
    /// The program that was silent answers again.
    RuntimeAnswered {
        /// Of which start.
        attempt: Attempt,
        /// The container.
        container_id: ContainerId,
    },
    /// The program has been silent for as long as it may take to become Ready.
    SilenceElapsed {
        /// Of which start.
        attempt: Attempt,
        /// The container.
        container_id: ContainerId,
        /// The last lines that it wrote, oldest first.
        last_lines: Vec<String>,
    },
    /// Answers `StopRuntime`.
    StopFinished {
        /// The container that was to go.
        container_id: ContainerId,
        /// What went wrong; without it the container is gone.
        error: Option<String>,
    },
    /// Answers `ScheduleRestart`: its time has come.
    BackoffElapsed {
        /// The attempt that failed.
        attempt: Attempt,
    },
    /// Answers `RemoveProgram`.
    RemoveFinished {
        /// What went wrong; without it everything is gone.
        error: Option<String>,
    },
    /// The program's container was seen not running, or one was seen that should not be there.
    RuntimeCheckRequested {
        /// Containers of this program that it did not seem to know.
        unknown: Vec<ContainerId>,
    },
    /// The host came up and took this program from its registry.
    HostStarted {
        /// The containers of this program that the engine has.
        found: Vec<FoundContainer>,
    },
}

impl Event {
    /// The event's name, for histories and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserStartRequested => "UserStartRequested",
            Self::UserStopRequested => "UserStopRequested",
            Self::UserRestartRequested => "UserRestartRequested",
            Self::UserDeleteRequested { .. } => "UserDeleteRequested",
            Self::FoldersEnsured { .. } => "FoldersEnsured",
            Self::BuildFinished { .. } => "BuildFinished",
            Self::RuntimeStarted { .. } => "RuntimeStarted",
            Self::StartFailed { .. } => "StartFailed",
            Self::RuntimeExited { .. } => "RuntimeExited",
            Self::RuntimeSilent { .. } => "RuntimeSilent",
            Self::RuntimeAnswered { .. } => "RuntimeAnswered",
            Self::SilenceElapsed { .. } => "SilenceElapsed",
            Self::StopFinished { .. } => "StopFinished",
            Self::BackoffElapsed { .. } => "BackoffElapsed",
            Self::RemoveFinished { .. } => "RemoveFinished",
            Self::RuntimeCheckRequested { .. } => "RuntimeCheckRequested",
            Self::HostStarted { .. } => "HostStarted",
        }
    }
}
