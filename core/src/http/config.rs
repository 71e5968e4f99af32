//! What a gate may be asked to be.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::error::GateError;

/// Limits and rules of one gate. Every limit has a default that suits a WatcherAPI on loopback.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// let config = hersh::http::GateConfig {
///     address: "127.0.0.1:0".parse()?,
///     max_body_bytes: 64 * 1024,
///     body_timeout: Duration::from_secs(5),
///     ..Default::default()
/// };
/// assert_eq!(config.max_connections, 512);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// Where to listen; port 0 picks a free one. Default `127.0.0.1:8080`.
    pub address: SocketAddr,
    /// Connections held at once, whatever they do. Beyond it the longest idle one gives way.
    /// Default 512, so that a process with the usual 1,024 descriptors keeps half for itself.
    pub max_connections: usize,
    /// Connections above `max_connections` that exist only to be told 503. Default 32.
    pub reserved_connections: usize,
    /// Threads that run handlers, and so requests answered at once. Default 64.
    pub max_threads: usize,
    /// Answers of [`Response::stream`](super::Response::stream) under way at once. Default 16.
    pub max_streams: usize,
    /// Complete requests that may wait for a thread. Default 128.
    pub max_pending: usize,
    /// How long a complete request waits for a thread before it is answered 503.
    /// Default 500 ms.
    pub pending_timeout: Duration,
    /// From the first byte of a request (for a new connection: from its acceptance) to the end of
    /// its head. Default 10 s.
    pub head_timeout: Duration,
    /// From the handler's first look at the body to the body's end. Default 30 s.
    pub body_timeout: Duration,
    /// For writing a whole answer; for a stream, for writing each piece of it. Default 30 s.
    pub write_timeout: Duration,
    /// How long a connection may rest between two requests. Default 60 s.
    pub idle_timeout: Duration,
    /// How long a thread without work waits for some before it ends. Default 5 s.
    pub thread_linger: Duration,
    /// Bytes of a request's first line and headers together. Default 16 KiB.
    pub max_head_bytes: usize,
    /// Bytes of a request's body, unless the handler sets another cap. Default 1 MiB.
    pub max_body_bytes: u64,
    /// Requests served on one connection before it is closed. Default 1,000,000.
    pub max_requests: u32,
    /// Names, besides IP addresses and `localhost`, under which clients may address this server.
    /// A browser that was tricked into resolving a foreign name to this machine is refused by it.
    pub allowed_hosts: Vec<String>,
    /// Whether `POST`, `PUT` and `PATCH` must carry a body, and `Content-Type: application/json`,
    /// which a foreign web page cannot send without asking first. Default true; a handler of a
    /// gate without it keeps foreign pages out by itself, by their `Origin`.
    pub json_only: bool,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_connections: 512,
            reserved_connections: 32,
            max_threads: 64,
            max_streams: 16,
            max_pending: 128,
            pending_timeout: Duration::from_millis(500),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            thread_linger: Duration::from_secs(5),
            max_head_bytes: 16 * 1024,
            max_body_bytes: 1024 * 1024,
            max_requests: 1_000_000,
            allowed_hosts: Vec::new(),
            json_only: true,
        }
    }
}

impl GateConfig {
    /// Refuses what could never serve a request, with the field's name.
    pub(super) fn validate(&self) -> Result<(), GateError> {
        let counts = [
            ("max_connections", self.max_connections),
            ("max_threads", self.max_threads),
            ("max_pending", self.max_pending),
            ("max_requests", self.max_requests as usize),
        ];
        for (field, value) in counts {
            if value == 0 {
                return Err(GateError::Config { field, reason: "must be at least 1" });
            }
        }
        let times = [
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
            ("idle_timeout", self.idle_timeout),
        ];
        for (field, value) in times {
            if value.is_zero() || value > LONGEST {
                return Err(GateError::Config { field, reason: "must be between 1 ns and a day" });
            }
        }
        let times =
            [("pending_timeout", self.pending_timeout), ("thread_linger", self.thread_linger)];
        for (field, value) in times {
            if value > LONGEST {
                return Err(GateError::Config { field, reason: "must be at most a day" });
            }
        }
        if self.max_head_bytes < 256 || self.max_head_bytes > 1024 * 1024 {
            let reason = "must be between 256 bytes and 1 MiB";
            return Err(GateError::Config { field: "max_head_bytes", reason });
        }
        Ok(())
    }
}

/// A deadline further away than this is a mistake, and could overflow a clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_the_name_of_the_field() {
        let refused = |config: GateConfig| match config.validate() {
            Err(GateError::Config { field, .. }) => field,
            other => panic!("accepted or wrong error: {other:?}"),
        };
        let base = GateConfig::default;
        assert!(base().validate().is_ok());
        assert_eq!(refused(GateConfig { max_threads: 0, ..base() }), "max_threads");
        assert_eq!(refused(GateConfig { max_head_bytes: 10, ..base() }), "max_head_bytes");
        assert_eq!(refused(GateConfig { head_timeout: Duration::ZERO, ..base() }), "head_timeout");
        assert_eq!(refused(GateConfig { idle_timeout: Duration::MAX, ..base() }), "idle_timeout");
    }
}
