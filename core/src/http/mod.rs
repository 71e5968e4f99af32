//! The gate: a small HTTP/1.1 server that hostile clients cannot bring down.
//!
//! It serves the WatcherAPI, and the API of the host. A [`Handler`] is given complete, well-formed
//! requests one at a time on each of a bounded number of threads, and returns a [`Response`].
//!
//! # Why it exists
//!
//! tiny_http gives this module its vocabulary ([`Method`], headers, status codes) and prints the
//! heads of its answers. Its reading side cannot be exposed to anyone (version 0.12): one request
//! with `Content-Length: 100000000000` aborts the process, because what is unread of a body is
//! read into memory of the announced size; `GET / HTTP/2.0` blocks a worker for good; eight
//! simultaneous connections starve the rest; a process without free descriptors loses its accept
//! loop; there is no timeout and no bound on a head; and of two `Content-Length` lines one is
//! believed, which lets requests be smuggled past a proxy. So the gate does the reading itself.
//!
//! # How it is built
//!
//! * **The door** is one thread in poll(2). It accepts, and it keeps every connection that waits
//!   for its client: new ones that have sent nothing, ones in the middle of a head, ones between
//!   two requests, ones that have yet to take a last answer. Such a connection costs a descriptor
//!   and no thread, so two thousand idle clients, or clients that send a byte a second, take
//!   nothing from the others. When the limit on connections is reached the least useful one gives
//!   way: first one that has its last answer, then the one that has been silent longest since it
//!   connected, then the one that has rested longest between requests.
//! * **The pool** gets a connection only once a whole head has arrived. Its threads are made when
//!   needed and end when idle, so that a server at rest holds one sleeping thread. A thread stays
//!   with a connection whose next request comes at once, and hands it back to the door otherwise.
//! * **Clients can make a thread wait** only with a body that comes slowly or an answer that they
//!   do not read. Both have a deadline for the whole of it. When requests wait for a thread
//!   meanwhile, the slowest of those clients is cut off before its deadline.
//! * **Full is said, not suffered**: a request that finds no thread within half a second, or no place to
//!   wait for one, is
//!   answered 503 by the door itself, on connections and a descriptor reserved for it.
//! * **Framing is strict**: exactly one `Content-Length` or chunked, lines that end in CR LF,
//!   HTTP/1.0 or 1.1. No memory is set aside by a length that a client announces.
//! * **It can always end**: [`Gate::shutdown`] is bounded, and no thread of the gate keeps a
//!   process from exiting.
//!
//! # Rules for requests
//!
//! `Host` must be an IP address, `localhost` or a configured name (403). Unless that is switched
//! off, `POST`, `PUT` and `PATCH` need a length or chunks (411) and `Content-Type:
//! application/json` (415), so that a web page cannot make a browser steer a watcher. The gate
//! adds no CORS header. Answers that the gate itself gives are JSON: `{"error":"…"}`.

mod body;
mod chunked;
mod config;
mod connection;
mod door;
mod error;
mod exposition;
mod gate;
mod head;
mod input;
#[cfg(test)]
mod mutation_tests;
pub mod openapi;
mod parking;
mod policy;
mod pool;
#[cfg(any(test, fuzzing))]
pub(crate) mod reading;
mod refusal;
mod request;
mod response;
mod shared;
mod sse;
mod token;
mod wire;

pub use config::GateConfig;
pub use error::{BodyError, GateError};
pub use exposition::{MetricsPage, Seconds};
pub use gate::Gate;
pub use request::Request;
pub use response::Response;
pub use sse::{EventSource, EventStream, EventWords};
pub use tiny_http::Method;
pub use token::BearerToken;

/// Answers requests. Every closure `Fn(&mut Request<'_>) -> Response` is one.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Called on a thread of the gate, on several at once.
    ///
    /// A panic in it becomes a 500, and the server lives on.
    fn handle(&self, request: &mut Request<'_>) -> Response;

    /// Renders an answer that the gate itself gives, before or instead of the handler: a request
    /// that is malformed, too large, too slow or not allowed, a server that is full.
    ///
    /// It is called on the thread that accepts connections, so it must return at once and give a
    /// small answer: one over a few kilobytes may be cut off.
    fn refusal(&self, status: u16, reason: &str) -> Response {
        Response::error(status, reason)
    }
}

impl<F> Handler for F
where
    F: Fn(&mut Request<'_>) -> Response + Send + Sync + 'static,
{
    fn handle(&self, request: &mut Request<'_>) -> Response {
        self(request)
    }
}
