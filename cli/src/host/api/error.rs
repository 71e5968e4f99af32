//! The errors of the host API, all of one shape: `{"error":"Not Found","code":404,"message":"…"}`.

use hersh::http::{BodyError, Response};
use ureq::http::StatusCode;

use crate::host::HostError;
use crate::host::auth::Denied;
use crate::wire::ErrorBody;

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) struct ApiError {
    code: u16,
    message: String,
    header: Option<(&'static str, String)>,
}

impl ApiError {
    pub(in crate::host) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), header: None }
    }

    pub(in crate::host) fn with_header(
        mut self,
        name: &'static str,
        value: impl Into<String>,
    ) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    pub(super) fn busy(message: impl Into<String>, seconds: u64) -> Self {
        Self::new(429, message).with_header("Retry-After", seconds.to_string())
    }

    pub(in crate::host) fn into_response(self) -> Response {
        let reason = StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason());
        let body = ErrorBody {
            error: reason.unwrap_or("Error").to_owned(),
            code: self.code,
            message: self.message,
        };
        let response = Response::json(self.code, &body);
        match self.header {
            Some((name, value)) => response.header(name, &value),
            None => response,
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NoToken => {
                Self::new(401, "this host asks for a token: Authorization: Bearer …")
                    .with_header("WWW-Authenticate", "Bearer")
            }
            Denied::WrongToken => {
                Self::new(401, "this token is not, or no longer, one of this host's")
                    .with_header("WWW-Authenticate", "Bearer error=\"invalid_token\"")
            }
            Denied::Owner { user, owner } => Self::new(
                403,
                format!("user_id: this token is good for programs of {user}, and not of {owner}"),
            ),
            Denied::Scope { scope, needs } => {
                let message = format!("a token of scope {scope} is not good for this: {needs}");
                Self::new(403, message)
            }
        }
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        let message = error.to_string();
        match error {
            HostError::NotFound(_) | HostError::NoToken(_) | HostError::NoTicket(_) => {
                Self::new(404, message)
            }
            HostError::Conflict { .. }
            | HostError::NameTaken { .. }
            | HostError::TicketConflict { .. }
            | HostError::NoNetwork(_) => Self::new(409, message),
            HostError::InvalidId(_) | HostError::Invalid { .. } | HostError::Source(_) => {
                Self::new(400, message)
            }
            HostError::Busy(_) => Self::busy(message, 1),
            HostError::NotReady { .. } | HostError::Full { .. } | HostError::ShuttingDown => {
                Self::new(503, message)
            }
            HostError::Engine(_) => Self::new(502, format!("the Docker engine: {message}")),
            _ => Self::new(500, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_errors_and_their_codes() {
        let code = |error: HostError| ApiError::from(error).code;
        let id = "ann-build-0123456789ab-deadbeef".parse::<crate::program::ProgramId>().unwrap();
        assert_eq!(code(HostError::NotFound(id.clone())), 404);
        assert_eq!(code(HostError::NameTaken { name: "a".into(), holder: id.clone() }), 409);
        assert_eq!(code(HostError::Invalid { field: "env".into(), reason: "no".into() }), 400);
        assert_eq!(code(HostError::Busy(id)), 429);
        assert_eq!(code(HostError::Full { what: "programs", limit: 1 }), 503);
        assert_eq!(code(HostError::Registry("torn".into())), 500);
    }
}
