//! What is known about one program at one moment.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{BuildId, IdError, ProgramId};
use super::policy::RestartPolicy;

/// A moment, in milliseconds since the Unix epoch. The domain never asks a clock: it is told.
pub type Millis = u64;

/// Numbers the starts of one program: 0 before the first, then 1, 2, …
///
/// Every effect and every result carries the number of the start that it belongs to, so that what
/// arrives late can be told from what is current.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The start after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! hex_newtype {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $range:expr, $variant:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as the engine prints it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix($prefix).unwrap_or("");
                let good = $range.contains(&digits.len())
                    && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if good { Ok(Self(text.to_owned())) } else { Err(IdError::$variant(text.to_owned())) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

hex_newtype!(
    /// Names a container: 12 to 64 hexadecimal digits, so it can never read as a flag.
    ContainerId, "", (12..=64), Container
);
hex_newtype!(
    /// Names an image by its content: `sha256:` and 64 hexadecimal digits.
    ImageId, "sha256:", (64..=64), Image
);

/// Where a program is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Registered, never started.
    Created,
    /// Its folders are made and its image is built.
    Building,
    /// Its container is being started and has not answered yet; or it runs and has stopped answering,
    /// which [`ProgramState::is_silent`] tells apart.
    Starting,
    /// Its container runs and its `WatcherAPI` answers.
    Ready,
    /// Its container is being stopped, or the program is being removed.
    Stopping,
    /// Nothing of it runs, as its owner asked.
    Stopped,
    /// Nothing of it should run, because something failed; `error_msg` says what.
    Error,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Building,
        Self::Starting,
        Self::Ready,
        Self::Stopping,
        Self::Stopped,
        Self::Error,
    ];

    /// The state's name, as clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Building => "Building",
            Self::Starting => "Starting",
            Self::Ready => "Ready",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Error => "Error",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state: use Created, Building, Starting, Ready, Stopping, Stopped or Error")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;
    /// Upper and lower case are the same here: people type it.
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// What the owner last asked for. Only the owner's requests change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Desired {
    /// Should not run.
    Stopped,
    /// Should run.
    Ready,
    /// Should be gone, keeping its `/state` aside.
    Removed,
    /// Should be gone with everything it wrote.
    Purged,
}

impl Desired {
    /// Whether the program is to be removed, one way or the other.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::Removed | Self::Purged)
    }

    /// The wish's name, as clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Ready => "Ready",
            Self::Removed => "Removed",
            Self::Purged => "Purged",
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code; none when the container was already gone when it was looked at, or was stopped
    /// because it did not answer.
    pub code: Option<i64>,
    /// Whether the system killed it because it used more memory than it may.
    pub out_of_memory: bool,
    /// The last lines it wrote, oldest first.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "the program exited with code {code}")?,
            None => f.write_str("the container is gone")?,
        }
        if self.out_of_memory {
            f.write_str(" for want of memory")?;
        }
        f.write_str(&quoted(&self.last_lines))
    }
}

/// The last lines of a container, as the end of a sentence about it; nothing where there are none.
pub(crate) fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("; its last lines: {}", lines.join(" | "))
    }
}

/// A restart that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRestart {
    /// The attempt that failed.
    pub after: Attempt,
    /// When the next one is due.
    pub due_at: Millis,
}

/// What is known about one program. Only [`reduce`](super::reduce) makes the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramState {
    /// Which program.
    pub id: ProgramId,
    /// Which build.
    pub build_id: BuildId,
    /// Where it is in its life.
    pub state: State,
    /// What its owner last asked for.
    pub desired: Desired,
    /// The current start.
    pub attempt: Attempt,
    /// The image of the last successful build.
    pub image_id: Option<ImageId>,
    /// The container of the current attempt, until it is known to be gone.
    pub container_id: Option<ContainerId>,
    /// Containers of the program that must go and have not been seen gone.
    pub strays: Vec<ContainerId>,
    /// What went wrong last; kept until the next start.
    pub error_msg: Option<String>,
    /// How the last container ended by itself; kept until the next start by a person.
    pub exit: Option<Exit>,
    /// What to do when a container ends by itself.
    pub policy: RestartPolicy,
    /// Automatic restarts since the program was last started by a person or last ran stably.
    pub restarts: u32,
    /// An automatic restart that waits for its time.
    pub pending_restart: Option<PendingRestart>,
    /// Since when it has been Ready.
    pub ready_since: Option<Millis>,
    /// Everything of it is gone; nothing can be asked of it any more.
    pub removed: bool,
}

impl ProgramState {
    /// A program that was registered and never started.
    pub fn new(id: ProgramId, policy: RestartPolicy) -> Self {
        let build_id = id.build();
        Self {
            id,
            build_id,
            state: State::Created,
            desired: Desired::Stopped,
            attempt: Attempt::default(),
            image_id: None,
            container_id: None,
            strays: Vec::new(),
            error_msg: None,
            exit: None,
            policy,
            restarts: 0,
            pending_restart: None,
            ready_since: None,
            removed: false,
        }
    }

    /// Whether it was Ready in this start, runs still, and has stopped answering; `error_msg` says
    /// since when.
    pub fn is_silent(&self) -> bool {
        self.state == State::Starting && self.container_id.is_some()
    }

    /// Whether its container should run: it is Ready, or was and is silent.
    pub fn is_up(&self) -> bool {
        self.state == State::Ready || self.is_silent()
    }

    /// Every container that is or may be there, the current one first.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerId> {
        self.container_id.iter().chain(&self.strays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_prints_is_checked_before_it_becomes_an_argument() {
        for text in ["", "--privileged", "0123456789a", "0123456789aB", &"a".repeat(65)] {
            assert!(text.parse::<ContainerId>().is_err(), "{text:?}");
        }
        assert!("0123456789ab".parse::<ContainerId>().is_ok());
        assert!(format!("sha256:{}", "a".repeat(64)).parse::<ImageId>().is_ok());
        assert!("a".repeat(64).parse::<ImageId>().is_err());
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in State::ALL {
            assert_eq!(state.to_string().to_lowercase().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!("Gone".parse::<State>(), Err(UnknownState("Gone".into())));
    }
}
