//! What can go wrong at a gate, one type per family of operations.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a gate could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum GateError {
    /// A field of the configuration makes no sense.
    Config {
        /// The field's name.
        field: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// Another process, or another gate, listens there already.
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The gate's own thread or descriptors could not be made.
    Start {
        /// What the system said.
        source: io::Error,
    },
}

impl GateError {
    pub(super) fn bind(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::AddressInUse { address }
        } else {
            Self::Bind { address, source }
        }
    }
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { field, reason } => write!(f, "{field} {reason}"),
            Self::AddressInUse { address } => write!(
                f,
                "{address} is already in use; choose another port, or port 0 to have one picked"
            ),
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Start { .. } => write!(f, "cannot start the server's thread"),
        }
    }
}

impl Error for GateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::Start { source } => Some(source),
            Self::Config { .. } | Self::AddressInUse { .. } => None,
        }
    }
}

/// Why a request's body could not be read to its end. The connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// Longer than the cap in force.
    TooLarge {
        /// The cap, in bytes.
        limit: u64,
    },
    /// Not complete within the deadline for bodies.
    TimedOut,
    /// Its chunks are not framed as they must be.
    Malformed {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The client went away in the middle of it, or had to make room for others.
    Disconnected,
}

impl BodyError {
    /// The status code of the answer this error deserves.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::TimedOut => 408,
            Self::Malformed { .. } | Self::Disconnected => 400,
        }
    }

    /// The body error inside an error of the reader that [`Request::body`](super::Request::body)
    /// returned, if it is one.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).copied()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "request body is larger than {limit} bytes"),
            Self::TimedOut => f.write_str("request body did not arrive in time"),
            Self::Malformed { reason } => write!(f, "malformed request body: {reason}"),
            Self::Disconnected => f.write_str("connection closed in the middle of the body"),
        }
    }
}

impl Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            BodyError::TimedOut => io::ErrorKind::TimedOut,
            BodyError::Malformed { .. } => io::ErrorKind::InvalidData,
            BodyError::Disconnected => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_error_survives_the_reader() {
        let error = io::Error::from(BodyError::TooLarge { limit: 7 });
        assert_eq!(BodyError::of(&error), Some(BodyError::TooLarge { limit: 7 }));
        assert_eq!(BodyError::of(&io::Error::other("another")), None);
    }

    #[test]
    fn a_taken_port_says_what_to_do() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let error = GateError::bind(address, io::Error::from(io::ErrorKind::AddrInUse));
        assert!(error.to_string().contains("127.0.0.1:8080 is already in use"), "{error}");
    }
}
