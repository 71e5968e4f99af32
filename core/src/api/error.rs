//! Why the WatcherAPI is not served.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::http::GateError;

/// Why [`Watcher::start_api_server`](crate::Watcher::start_api_server) did not start a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApiError {
    /// What was given is not an address, or a name that nobody knows.
    Address {
        /// What the system said.
        source: io::Error,
    },
    /// This watcher has its server already.
    Started {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The address cannot be listened on; a port that is taken is
    /// [`GateError::AddressInUse`].
    Gate(GateError),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { source } => write!(f, "not an address to listen on: {source}"),
            Self::Started { address } => write!(f, "the API is served already, at {address}"),
            Self::Gate(error) => write!(f, "the API cannot be served: {error}"),
        }
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address { source } => Some(source),
            Self::Started { .. } => None,
            Self::Gate(error) => error.source(),
        }
    }
}

impl From<GateError> for ApiError {
    fn from(error: GateError) -> Self {
        Self::Gate(error)
    }
}
