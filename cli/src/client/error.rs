//! What can go wrong between the command and the host.

use thiserror::Error;

use crate::output::{Exit, Failure};

/// Why the host did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers at the address.
    #[error("no host answers at {url}: {reason}")]
    Unreachable {
        /// The host's address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The host took too long.
    #[error("the host at {url} did not answer in time ({waited})")]
    TimedOut {
        /// The host's address.
        url: String,
        /// What was waited for.
        waited: String,
    },
    /// The host said no.
    #[error("{}", if .message.is_empty() { format!("the host answered {code}") } else { message.clone() })]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The host's words.
        message: String,
    },
    /// Something answers, but not in the host's language.
    #[error("what answers at {url} is not a hersh host: {reason}")]
    NotAHost {
        /// The address.
        url: String,
        /// What was wrong with its answer.
        reason: String,
    },
}

impl ClientError {
    /// The exit code it ends a command with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::NotAHost { .. } => Exit::Unreachable,
            Self::TimedOut { .. } => Exit::TimedOut,
            Self::Refused { code, .. } => match code {
                401 | 403 => Exit::NotAllowed,
                404 => Exit::NotFound,
                409 => Exit::Conflict,
                408 | 504 => Exit::TimedOut,
                400 | 413 | 415 | 422 => Exit::Usage,
                _ => Exit::Failed,
            },
        }
    }

    /// What to do about it, where that can be said.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => {
                Some("start one with `hersh host`, or name another with --host or HERSH_HOST")
            }
            Self::NotAHost { .. } => Some("name the host with --host or HERSH_HOST"),
            Self::TimedOut { .. } => {
                Some("see what it is doing: `hersh ps`, and the host's own log")
            }
            Self::Refused { code: 401 | 403, .. } => Some(
                "set HERSH_TOKEN to a token that may: one of `hersh token create`, or the host's \
                 own, in admin.token in its data folder, readable by the user who runs it",
            ),
            Self::Refused { code: 404, .. } => Some("`hersh ps` lists what is there"),
            Self::Refused { code: 429 | 503, .. } => Some("try again in a moment"),
            Self::Refused { code: 500.., .. } => Some("the host's own log says more"),
            Self::Refused { .. } => None,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Failure::new(error.exit(), error.to_string());
        match error.remedy() {
            Some(remedy) => failure.with_remedy(remedy),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_exit_code() {
        let exit = |code| ClientError::Refused { code, message: String::new() }.exit();
        assert_eq!(exit(400), Exit::Usage);
        assert_eq!(exit(401), Exit::NotAllowed);
        assert_eq!(exit(403), Exit::NotAllowed);
        assert_eq!(exit(404), Exit::NotFound);
        assert_eq!(exit(409), Exit::Conflict);
        assert_eq!(exit(413), Exit::Usage);
        assert_eq!(exit(429), Exit::Failed);
        assert_eq!(exit(500), Exit::Failed);
        assert_eq!(exit(502), Exit::Failed);
        assert_eq!(exit(503), Exit::Failed);
        assert_eq!(exit(504), Exit::TimedOut);
    }
}
