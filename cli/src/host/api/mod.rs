//! The host's HTTP face: `/programs` and what is under it, behind the gate.
//!
//! Routes stand in one table; a handler gets what it asked for (the host, a checked program id,
//! the request) and returns an answer or an error, which is rendered in one place.

mod create;
mod error;
mod idempotency;
mod openapi;
mod programs;
mod query;
mod rate;
mod routes;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod tickets;
mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use hersh::http::{Gate, GateConfig, GateError, Handler, Request, Response};

pub(in crate::host) use self::error::ApiError;
use self::idempotency::Idempotency;
pub use self::rate::Rate;
use self::rate::{Bucket, Slots};
use super::Host;
use super::auth::Auth;
use super::proxy::{Lanes, ProxyTimes};

/// How the API is served.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens; port 0 picks a free one.
    pub address: SocketAddr,
    /// Names besides IP addresses and `localhost` under which clients may address it.
    pub allowed_hosts: Vec<String>,
    /// Who may.
    pub auth: Auth,
    /// How often programs may be created.
    pub create_rate: Rate,
    /// How often a program may be started, stopped, restarted or removed, over all programs.
    pub action_rate: Rate,
    /// How long programs may take to answer through the proxy.
    pub proxy: ProxyTimes,
}

impl ApiConfig {
    /// The usual figures.
    pub fn new(address: SocketAddr, auth: Auth) -> Self {
        Self {
            address,
            allowed_hosts: Vec::new(),
            auth,
            create_rate: Rate { burst: 100, per_second: 5 },
            action_rate: Rate { burst: 1_000, per_second: 100 },
            proxy: ProxyTimes::default(),
        }
    }
}

// Programs answer slowly through the proxy and builds are followed for minutes, so there are more
// threads and streams than a WatcherAPI has, which serves one program.
const MAX_THREADS: usize = 128;
const MAX_STREAMS: usize = 64;
// A quarter of the threads, and less than half of the streams.
const MAX_REQUESTS_OF_A_PROGRAM: usize = 30;
// Each may hold a few hundred megabytes for a moment.
const MAX_UPLOADS: usize = 4;
const MAX_UPLOADS_OF_A_USER: usize = 2;
// Who has one of these places and sends less than that, has it for no longer than this. What comes at
// this pace and no faster ends at the deadline below.
const UPLOAD_PACE: u32 = 16 << 10;
const UPLOAD_GRACE: Duration = Duration::from_secs(10);
// A context of the largest size comes from a slow disk.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// Serves `host` until the gate is shut down or dropped.
///
/// # Errors
/// [`GateError`] if the address cannot be listened on.
pub fn serve(host: Host, config: ApiConfig) -> Result<Gate, GateError> {
    let gate = GateConfig {
        address: config.address,
        allowed_hosts: config.allowed_hosts.clone(),
        max_threads: MAX_THREADS,
        max_streams: MAX_STREAMS,
        body_timeout: BODY_TIMEOUT,
        // The proxy passes on what programs take; the host's own routes ask for JSON themselves.
        json_only: false,
        ..GateConfig::default()
    };
    Gate::bind(gate, Api::new(host, config))
}

/// What the handlers of the routes share.
struct Api {
    host: Host,
    auth: Auth,
    keys: Idempotency,
    creations: Bucket,
    uploads: Slots,
    actions: Bucket,
    proxy: ProxyTimes,
    lanes: Lanes,
}

impl Api {
    fn new(host: Host, config: ApiConfig) -> Self {
        Self {
            host,
            auth: config.auth,
            keys: Idempotency::default(),
            creations: Bucket::new(config.create_rate),
            uploads: Slots::new(MAX_UPLOADS, MAX_UPLOADS_OF_A_USER),
            actions: Bucket::new(config.action_rate),
            proxy: config.proxy,
            lanes: Lanes::new(MAX_REQUESTS_OF_A_PROGRAM),
        }
    }
}

impl Handler for Api {
    fn handle(&self, request: &mut Request<'_>) -> Response {
        let answer = routes::dispatch(self, request).unwrap_or_else(ApiError::into_response);
        self.host.count_answer(routes::counted(request.method()), answer.status());
        answer
    }

    fn refusal(&self, status: u16, reason: &str) -> Response {
        ApiError::new(status, reason).into_response()
    }
}
