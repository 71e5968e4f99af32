//! The way to a program's WatcherAPI through the host.
//!
//! A program publishes its port on 127.0.0.1 only; this is how anybody else reaches it, and how it
//! is reached under the host's rules of who may. Bodies stream both ways. Programs are not
//! trusted: what one answers is passed on in a way that a browser can do no harm with, and one
//! that does not answer costs its caller a 502 or 504 and the host nothing.

mod headers;
mod lanes;
mod stream;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use hersh::http::{BodyError, Method, Request, Response};
use ureq::http::{self, HeaderMap, Request as Upstream};
use ureq::{Agent, Body, SendBody};

use self::lanes::InLane;
pub(super) use self::lanes::{Lane, Lanes};
use self::stream::Pumped;
use super::api::ApiError;

/// How long a program may take for what.
#[derive(Debug, Clone, Copy)]
pub struct ProxyTimes {
    /// To take the connection.
    pub connect: Duration,
    /// To take the request's body.
    pub send_body: Duration,
    /// To begin its answer.
    pub answer: Duration,
}

impl Default for ProxyTimes {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            send_body: Duration::from_secs(60),
            answer: Duration::from_secs(30),
        }
    }
}

// An answer up to this is passed on in one piece, with its length.
const WHOLE_BODY_BYTES: u64 = 256 * 1024;
// What a program is sent at most in one request.
const MAX_REQUEST_BYTES: u64 = 64 * 1024 * 1024;

/// Passes `request` on to the program at `address`, as a request for `target` (path and query), and
/// its answer back. `prefix` is the path of the host that stands for the program's `/`; `lane` is
/// held until the whole answer has been passed on.
pub(super) fn forward(
    request: &mut Request<'_>,
    address: SocketAddr,
    target: &str,
    prefix: &str,
    times: &ProxyTimes,
    lane: Lane,
) -> Result<Response, ApiError> {
    let head = upstream_head(request, address, target, prefix)?;
    // An agent of its own, so that this exchange can be cut off without touching another.
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_idle_connections(0)
        .proxy(None)
        .user_agent("")
        .accept("")
        .accept_encoding("")
        .timeout_connect(Some(times.connect))
        .timeout_send_body(Some(times.send_body))
        .timeout_recv_response(Some(times.answer))
        .build()
        .new_agent();
    let sent = if has_body(request) {
        request.set_max_body(MAX_REQUEST_BYTES);
        let mut body = request.body();
        agent.run(head.map(|()| SendBody::from_reader(&mut body)))
    } else if matches!(request.method(), Method::Post | Method::Put | Method::Patch) {
        // Many servers, the WatcherAPI among them, want to be told that nothing follows.
        agent.run(head.map(|()| [0_u8; 0].as_slice()))
    } else {
        agent.run(head)
    };
    let answer = sent.map_err(|error| failed(error, times))?;
    answer_of(answer, agent, request.method(), prefix, times, lane)
}

fn upstream_head(
    request: &Request<'_>,
    address: SocketAddr,
    target: &str,
    prefix: &str,
) -> Result<Upstream<()>, ApiError> {
    let wrong =
        |error: http::Error| ApiError::new(400, format!("this cannot be passed on: {error}"));
    let connection = headers::named_by_connection(request.headers());
    let mut head = Upstream::builder()
        .method(request.method().as_str())
        .uri(format!("http://{address}{target}"));
    for (name, value) in request.headers() {
        if headers::goes_to_program(name, &connection) {
            head = head.header(name, value);
        }
    }
    if let Some(length) = request.header("content-length").filter(|_| has_body(request)) {
        head = head.header("content-length", length);
    }
    head.header("host", address.to_string())
        .header("via", "1.1 hersh")
        .header("x-forwarded-for", request.peer().ip().to_string())
        .header("x-forwarded-host", request.header("host").unwrap_or_default())
        .header("x-forwarded-prefix", prefix)
        .header("x-forwarded-proto", "http")
        .body(())
        .map_err(wrong)
}

fn has_body(request: &Request<'_>) -> bool {
    let chunked = request.header("transfer-encoding").is_some();
    chunked || request.header("content-length").is_some_and(|length| length.trim() != "0")
}

fn answer_of(
    answer: http::Response<Body>,
    agent: Agent,
    method: &Method,
    prefix: &str,
    times: &ProxyTimes,
    lane: Lane,
) -> Result<Response, ApiError> {
    let (head, body) = answer.into_parts();
    let status = head.status.as_u16();
    if status < 200 {
        return Err(ApiError::new(502, "the program wants to speak another protocol"));
    }
    let bodiless = *method == Method::Head || matches!(status, 204 | 304);
    let whole = body.content_length().is_some_and(|length| length <= WHOLE_BODY_BYTES);
    let content_type = text_of(&head.headers, "content-type").unwrap_or("application/octet-stream");
    let response = if bodiless {
        Response::new(status)
    } else {
        let mut source = Pumped::start(body.into_reader(), agent).map_err(|error| {
            ApiError::new(503, format!("no thread for the program's answer: {error}"))
        })?;
        if whole {
            let bytes = source.read_whole(times.answer).map_err(|error| broke_off(&error))?;
            Response::bytes(status, content_type, bytes)
        } else {
            let source = InLane { source, _lane: lane };
            Response::stream(status, content_type, Box::new(source))
        }
    };
    Ok(with_headers(response, &head.headers, prefix, bodiless))
}

fn with_headers(
    mut response: Response,
    headers: &HeaderMap,
    prefix: &str,
    bodiless: bool,
) -> Response {
    let pairs = || headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let connection = headers::named_by_connection(pairs());
    for (name, value) in pairs() {
        // Already said with the body, where there is one.
        let said = name == "content-type" && !bodiless;
        let Ok(value) = std::str::from_utf8(value) else { continue };
        if said || !headers::comes_from_program(name, &connection) {
            continue;
        }
        response = match name {
            // A path on the program is a path under the prefix here.
            "location" if value.starts_with('/') && !value.starts_with("//") => {
                response.header(name, &format!("{prefix}{value}"))
            }
            _ => response.header(name, value),
        };
    }
    // What a program serves is shown, and never run as if the host had said it.
    response
        .header("content-security-policy", "sandbox")
        .header("x-content-type-options", "nosniff")
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn broke_off(error: &std::io::Error) -> ApiError {
    match error.kind() {
        std::io::ErrorKind::TimedOut => {
            ApiError::new(504, "the program did not finish its answer in time")
        }
        _ => ApiError::new(502, format!("the program broke off its answer: {error}")),
    }
}

fn failed(error: ureq::Error, times: &ProxyTimes) -> ApiError {
    let seconds = |time: Duration| time.as_secs_f32();
    match error {
        ureq::Error::Timeout(ureq::Timeout::SendBody) => {
            ApiError::new(504, "the program did not take the request's body in time")
        }
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            let message = format!("the program took no connection in {} s", seconds(times.connect));
            ApiError::new(504, message)
        }
        ureq::Error::Timeout(_) => {
            let message = format!("the program did not answer in {} s", seconds(times.answer));
            ApiError::new(504, message)
        }
        ureq::Error::Io(error) => match BodyError::of(&error) {
            Some(own) => ApiError::new(own.status(), own.to_string()),
            None => ApiError::new(502, format!("the program does not answer: {error}")),
        },
        other => ApiError::new(502, format!("the program's answer cannot be passed on: {other}")),
    }
}
