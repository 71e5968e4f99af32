//! A request as a handler sees it.

use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use tiny_http::Method;

use super::body::Body;
use super::error::BodyError;
use super::head::Head;
use super::policy;
use super::refusal::Refusal;
use super::response::Response;

/// A request whose head has kept all the rules and whose body is still to be read.
pub struct Request<'a> {
    head: &'a Head,
    peer: SocketAddr,
    body: Body<'a>,
}

impl<'a> Request<'a> {
    pub(super) fn new(head: &'a Head, peer: SocketAddr, body: Body<'a>) -> Self {
        Self { head, peer, body }
    }

    pub(super) fn into_body(self) -> Body<'a> {
        self.body
    }

    /// The method, which may be one that nobody has heard of.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path as it was sent: percent-encoded, without the query, beginning with `/` (or `*`
    /// for an `OPTIONS` request to the server itself).
    pub fn path(&self) -> &str {
        match self.head.path() {
            "" => "/",
            path => path,
        }
    }

    /// What follows the first `?`, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// The first value of a header, whatever the case of its name; `None` also if it is not
    /// UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.values(name).next().and_then(|value| str::from_utf8(value).ok())
    }

    /// All headers in the order they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// Who asks.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The rule of [`json_only`](super::GateConfig::json_only), for a handler that first looks
    /// whether there is such a route, and such a method there.
    pub(crate) fn admit_json(&self) -> Result<(), Response> {
        let admitted = policy::admit_json(self.head);
        admitted.map_err(|Refusal { status, reason }| Response::error(status, reason))
    }

    /// Raises or lowers the cap on the body, in bytes. Must come before the first read of it.
    pub fn set_max_body(&mut self, bytes: u64) {
        self.body.set_cap(bytes);
    }

    /// Has the body come at this pace on average, in bytes a second, after a first `grace`: one that
    /// comes more slowly ends as [`BodyError::TimedOut`], long before the gate's body deadline. For
    /// handlers that hold something scarce while they read. Must come before the first read of it.
    pub fn set_min_pace(&mut self, grace: Duration, bytes_per_second: u32) {
        self.body.set_pace(grace, bytes_per_second);
    }

    /// Reads the whole body; an empty one if there is none.
    ///
    /// Blocks the calling thread until the body is there, at most for the gate's body deadline.
    ///
    /// # Errors
    /// [`BodyError`] says what went wrong; it turns into the fitting answer with
    /// [`Response::from`](super::Response).
    pub fn read_body(&mut self) -> Result<Vec<u8>, BodyError> {
        self.body.read_whole()
    }

    /// The body as a stream, under the same cap and deadline.
    ///
    /// Its errors hold a [`BodyError`], which [`BodyError::of`] finds.
    pub fn body(&mut self) -> &mut dyn Read {
        &mut self.body
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and query may carry secrets: they are not shown.
        f.debug_struct("Request")
            .field("method", &self.head.method.as_str())
            .field("path", &self.path())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
