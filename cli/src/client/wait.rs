//! Waiting until a program is where it was asked to go.

use std::time::{Duration, Instant};

use super::{Client, ClientError};
use crate::wire::ProgramBody;

/// How often the host is asked. Often enough that a person does not notice, seldom enough that the
/// host does not either.
pub const POLL: Duration = Duration::from_millis(40);

/// Where a program stands on its way to a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There.
    Reached,
    /// Still on its way.
    Underway,
    /// Somewhere from where it will not get there.
    Lost,
}

/// Where a program was asked to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To `Ready`, by an attempt after this one.
    Ready {
        /// The attempt when it was asked.
        after_attempt: u64,
    },
    /// To rest: `Stopped`, or never started.
    Stopped,
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready { .. } => "Ready",
            Self::Stopped => "Stopped",
        })
    }
}

impl Goal {
    /// Where `program` stands on its way here, once the host has taken the request: a host that
    /// did has left the state it was in, so `Error` and `Stopped` are where it came to.
    pub fn progress(self, program: &ProgramBody) -> Progress {
        match (self, program.state.as_str()) {
            (Self::Ready { after_attempt }, state) => match state {
                "Ready" if program.attempt > after_attempt => Progress::Reached,
                "Error" | "Stopped" => Progress::Lost,
                _ => Progress::Underway,
            },
            (Self::Stopped, "Stopped" | "Created") => Progress::Reached,
            (Self::Stopped, "Error") => Progress::Lost,
            (Self::Stopped, _) => Progress::Underway,
        }
    }
}

/// How waiting ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Waited {
    /// The program is there.
    Reached(ProgramBody),
    /// It will not get there.
    Lost(ProgramBody),
    /// Time is up; this is where it stands.
    TimedOut(ProgramBody),
}

/// Asks about program `id` until it reaches `goal`, cannot any more, or `limit` has passed;
/// `seen` is shown each answer. Blocks the calling thread.
///
/// # Errors
/// [`ClientError`] as soon as the host does not answer.
pub fn wait(
    client: &Client,
    id: &str,
    goal: Goal,
    limit: Duration,
    mut seen: impl FnMut(&ProgramBody),
) -> Result<Waited, ClientError> {
    let started = Instant::now();
    loop {
        let program = client.program(id)?;
        seen(&program);
        match goal.progress(&program) {
            Progress::Reached => return Ok(Waited::Reached(program)),
            Progress::Lost => return Ok(Waited::Lost(program)),
            Progress::Underway if started.elapsed() >= limit => {
                return Ok(Waited::TimedOut(program));
            }
            Progress::Underway => std::thread::sleep(POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_attempt_does_not_count() {
        let program = |state: &str, attempt| ProgramBody {
            state: state.into(),
            attempt,
            ..ProgramBody::default()
        };
        let ready = Goal::Ready { after_attempt: 1 };
        assert_eq!(ready.progress(&program("Ready", 1)), Progress::Underway);
        assert_eq!(ready.progress(&program("Ready", 2)), Progress::Reached);
        assert_eq!(ready.progress(&program("Stopping", 1)), Progress::Underway);
        assert_eq!(ready.progress(&program("Error", 2)), Progress::Lost);
        assert_eq!(ready.progress(&program("Building", 2)), Progress::Underway);
        assert_eq!(Goal::Stopped.progress(&program("Stopping", 2)), Progress::Underway);
        assert_eq!(Goal::Stopped.progress(&program("Stopped", 2)), Progress::Reached);
        assert_eq!(Goal::Stopped.progress(&program("Error", 2)), Progress::Lost);
    }
}
