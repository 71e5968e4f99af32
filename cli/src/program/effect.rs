//! What has to be done about a program.
use super::event::Event;
use super::state::{Attempt, ContainerId, ImageId};

/// Something to do outside the domain. Effects of one program are carried out one after another,
/// in the order they were given; [`Effect::CancelAttempt`] alone takes hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Make the program's folders; answered by `FoldersEnsured`.
    EnsureProgramFolders {
        /// For which start.
        attempt: Attempt,
    },
    /// Build the image; answered by `BuildFinished`.
    BuildRuntime {
        /// For which start.
        attempt: Attempt,
    },
    /// Start a container and wait until it answers; answered by `RuntimeStarted` or `StartFailed`.
    StartRuntime {
        /// For which start.
        attempt: Attempt,
        /// Of which image.
        image_id: ImageId,
    },
    /// Stop and remove a container; answered by `StopFinished`. One that is gone is a success.
    StopRuntime {
        /// Which container.
        container_id: ContainerId,
    },
    /// Look at a container; answered by `RuntimeExited`, or not at all while it runs.
    FetchRuntimeStatus {
        /// Of which start.
        attempt: Attempt,
        /// Which container.
        container_id: ContainerId,
    },
    /// Give up what is under way or waiting for this start: its build, its start. Not answered
    /// itself; what it cuts short still answers.
    CancelAttempt {
        /// Which start.
        attempt: Attempt,
    },
    /// Wait; answered by `BackoffElapsed`.
    ScheduleRestart {
        /// The attempt that failed.
        attempt: Attempt,
        /// How long, in milliseconds.
        delay_ms: u64,
    },
    /// Remove containers, image, sources and folders; answered by `RemoveFinished`.
    RemoveProgram {
        /// Whether `/state` goes too, instead of being set aside.
        purge: bool,
    },
}

impl Effect {
    /// The effect's name, for histories and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnsureProgramFolders { .. } => "EnsureProgramFolders",
            Self::BuildRuntime { .. } => "BuildRuntime",
            Self::StartRuntime { .. } => "StartRuntime",
            Self::StopRuntime { .. } => "StopRuntime",
            Self::FetchRuntimeStatus { .. } => "FetchRuntimeStatus",
            Self::CancelAttempt { .. } => "CancelAttempt",
            Self::ScheduleRestart { .. } => "ScheduleRestart",
            Self::RemoveProgram { .. } => "RemoveProgram",
        }
    }

    /// The start that this effect belongs to, if it is cut short when that start is given up.
    pub(super) fn gives_up_with(&self) -> Option<Attempt> {
        match self {
            Self::EnsureProgramFolders { attempt }
            | Self::BuildRuntime { attempt }
            | Self::StartRuntime { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    /// The result that says this effect could not be carried out; none where there is no result.
    pub fn failed(&self, words: String) -> Option<Event> {
        match self {
            Self::EnsureProgramFolders { attempt } => {
                Some(Event::FoldersEnsured { attempt: *attempt, error: Some(words) })
            }
            Self::BuildRuntime { attempt } => {
                Some(Event::BuildFinished { attempt: *attempt, outcome: Err(words) })
            }
            Self::StartRuntime { attempt, .. } => {
                Some(Event::StartFailed { attempt: *attempt, reason: words })
            }
            Self::StopRuntime { container_id } => {
                Some(Event::StopFinished { container_id: container_id.clone(), error: Some(words) })
            }
            Self::RemoveProgram { .. } => Some(Event::RemoveFinished { error: Some(words) }),
            // The next check asks for the status again; the others have no result.
            Self::FetchRuntimeStatus { .. }
            | Self::CancelAttempt { .. }
            | Self::ScheduleRestart { .. } => None,
        }
    }
}
