//! The host API from the outside: what every command but `host`, `dev` and `doctor` talks through.

mod admin;
mod error;
mod pages;
mod resolve;
mod settings;
pub mod sse;
pub mod upload;
pub mod wait;

use std::io::Read;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, AsSendBody, Body, SendBody};

pub use self::admin::TicketAction;
pub use self::error::ClientError;
use self::pages::MAX_PAGES;
pub use self::resolve::{ResolveError, resolve};
pub use self::settings::{
    ADMIN_TOKEN_FILE, Environment, HostUrl, Overrides, Settings, SettingsError, Token,
};
use crate::wire::{
    ActionBody, BuildLogBody, CreateProgram, Created, ErrorBody, EventBody, EventsBody, LogsBody,
    ProgramBody, ProgramsBody, SourceBody,
};

const CONNECT_WAIT: Duration = Duration::from_secs(5);
// The waits between tries of a host that is busy.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
// A deploy writes its sources durably before it is answered.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
// So many events are asked for at once.
const PAGE: usize = 1000;

/// A connection to one host. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    settings: Settings,
}

/// What can be asked of a program without more words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build it if needed, and run it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it and start it again.
    Restart,
}

impl Action {
    /// Its name, in the API and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

impl Client {
    /// A client with these settings; nothing is sent yet.
    pub fn new(settings: Settings) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy from the environment is not meant for a host on this machine.
            .proxy(None)
            .user_agent(concat!("hersh/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(ANSWER_WAIT))
            .build()
            .new_agent();
        Self { agent, settings }
    }

    /// The host.
    pub fn host(&self) -> &HostUrl {
        &self.settings.host
    }

    /// All programs, optionally of one state or user.
    ///
    /// # Errors
    /// [`ClientError`], as every call here.
    pub fn programs(
        &self,
        state: Option<&str>,
        user: Option<&str>,
    ) -> Result<Vec<ProgramBody>, ClientError> {
        let mut path = "/programs?limit=1000".to_owned();
        for (key, value) in [("state", state), ("user", user)] {
            if let Some(value) = value {
                path = format!("{path}&{key}={}", percent_encoded(value));
            }
        }
        self.all::<ProgramsBody>(&path)
    }

    /// One program, by its id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn program(&self, id: &str) -> Result<ProgramBody, ClientError> {
        self.get(&program_path(id, ""))
    }

    /// Creates a program; `sent` is told how many bytes of how many have gone out, and says whether
    /// to go on. `idempotency_key` lets the same call be sent again without creating two, and so a
    /// host that is busy is asked a few times before its answer is final.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create(
        &self,
        program: &CreateProgram,
        idempotency_key: &str,
        mut sent: impl FnMut(u64, u64) -> bool,
    ) -> Result<Created, ClientError> {
        let body = serde_json::to_vec(program).map_err(|error| self.not_a_host(&error))?;
        let length = body.len().to_string();
        let headers = [
            ("Idempotency-Key", idempotency_key),
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
        ];
        let mut patience = PATIENCE.iter();
        loop {
            let mut upload = Upload { body: &body, done: 0, sent: &mut sent };
            let request = self.request(&Method::POST, "/programs", &headers);
            let request = request.body(SendBody::from_reader(&mut upload));
            match self.run(request.map_err(|error| self.not_a_host(&error))?, false) {
                Ok(answer) => return self.read(answer),
                Err(error @ ClientError::Refused { code: 429, .. }) => match patience.next() {
                    Some(wait) => std::thread::sleep(*wait),
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for a start, stop or restart.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn act(&self, id: &str, action: Action) -> Result<ActionBody, ClientError> {
        self.post(&program_path(id, action.name()), &serde_json::json!({}))
    }

    /// Removes a program; with `purge` its state too.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete(&self, id: &str, purge: bool) -> Result<ActionBody, ClientError> {
        let mut path = program_path(id, "");
        if purge {
            path.push_str("?purge=true");
        }
        let answer = self.send(&Method::DELETE, &path, &[], None::<&()>, false)?;
        self.read(answer)
    }

    /// What a program wrote; `tail` lines of it if given.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn logs(&self, id: &str, tail: Option<u32>) -> Result<LogsBody, ClientError> {
        let query = tail.map_or_else(String::new, |lines| format!("?tail={lines}"));
        self.get(&format!("{}{query}", program_path(id, "logs")))
    }

    /// The same, going on as more is written, until the program ends or the reader is dropped.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn follow_logs(
        &self,
        id: &str,
        tail: Option<u32>,
    ) -> Result<Box<dyn Read + Send>, ClientError> {
        let tail = tail.map_or_else(String::new, |lines| format!("&tail={lines}"));
        self.stream(&format!("{}?follow=true{tail}", program_path(id, "logs")))
    }

    /// The log of the last build, as far as it has come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn build_log(&self, id: &str) -> Result<BuildLogBody, ClientError> {
        self.get(&program_path(id, "build-log"))
    }

    /// The same, going on until that build ends or the reader is dropped.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn follow_build_log(&self, id: &str) -> Result<Box<dyn Read + Send>, ClientError> {
        self.stream(&format!("{}?follow=true", program_path(id, "build-log")))
    }

    /// Sends a message to the program's watcher and returns its answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn message(&self, id: &str, content: &str) -> Result<serde_json::Value, ClientError> {
        let body = serde_json::json!({ "content": content });
        self.post(&program_path(id, "watcher/message"), &body)
    }

    /// What happened to a program after the event of this number, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn events(&self, id: &str, after: i64) -> Result<Vec<EventBody>, ClientError> {
        let mut events = Vec::new();
        let mut after = after;
        for _ in 0..MAX_PAGES {
            let path = program_path(id, "events");
            let page: EventsBody = self.get(&format!("{path}?after={after}&limit={PAGE}"))?;
            let full = page.events.len() >= PAGE;
            after = page.events.last().map_or(after, |event| event.seq);
            events.extend(page.events);
            if !full {
                break;
            }
        }
        Ok(events)
    }

    /// What happens to a program, or to all of them, as it happens; after the event `last`, if
    /// given. The data of an event of the kind `program` is an [`EventBody`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn follow_events(
        &self,
        id: Option<&str>,
        last: Option<i64>,
    ) -> Result<sse::Events<Box<dyn Read + Send>>, ClientError> {
        let path = match id {
            Some(id) => format!("{}?follow=true", program_path(id, "events")),
            None => "/events".to_owned(),
        };
        self.event_stream(&path, last.map(|last| last.to_string()).as_deref())
    }

    /// The files a program was built from.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn source(&self, id: &str) -> Result<SourceBody, ClientError> {
        self.get(&program_path(id, "source"))
    }

    /// What the program's watcher shows under `/watcher/{what}`.
    ///
    /// # Errors
    /// [`ClientError`]; 503 while the program is not Ready.
    pub fn watcher(&self, id: &str, what: &str) -> Result<serde_json::Value, ClientError> {
        self.get(&program_path(id, &format!("watcher/{what}")))
    }

    /// What happens in the program's watcher, as it happens; after the event `last`, if given.
    ///
    /// # Errors
    /// [`ClientError`]; 503 while the program is not Ready.
    pub fn watcher_events(
        &self,
        id: &str,
        last: Option<&str>,
    ) -> Result<sse::Events<Box<dyn Read + Send>>, ClientError> {
        self.event_stream(&program_path(id, "watcher/events"), last)
    }

    fn event_stream(
        &self,
        path: &str,
        last: Option<&str>,
    ) -> Result<sse::Events<Box<dyn Read + Send>>, ClientError> {
        let headers: Vec<_> = last.map(|last| ("Last-Event-ID", last)).into_iter().collect();
        let answer = self.send(&Method::GET, path, &headers, None::<&()>, true)?;
        Ok(sse::Events::new(Box::new(answer.into_body().into_reader())))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.send(&Method::GET, path, &[], None::<&()>, false)?;
        self.read(answer)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let answer = self.send(&Method::POST, path, &[], Some(body), false)?;
        self.read(answer)
    }

    fn stream(&self, path: &str) -> Result<Box<dyn Read + Send>, ClientError> {
        let answer = self.send(&Method::GET, path, &[], None::<&()>, true)?;
        Ok(Box::new(answer.into_body().into_reader()))
    }

    // Sends a request; an answer outside 2xx is already an error. `endless` answers have no
    // deadline for their body.
    fn send<T: Serialize>(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&T>,
        endless: bool,
    ) -> Result<Response<Body>, ClientError> {
        let request = self.request(method, path, headers);
        let Some(body) = body else {
            return self.run(request.body(()).map_err(|error| self.not_a_host(&error))?, endless);
        };
        let body = serde_json::to_vec(body).map_err(|error| self.not_a_host(&error))?;
        let request = request.header("Content-Type", "application/json").body(body);
        self.run(request.map_err(|error| self.not_a_host(&error))?, endless)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> ureq::http::request::Builder {
        let url = format!("{}{path}", self.settings.host);
        let mut request = ureq::http::Request::builder().method(method.clone()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.settings.token {
            request = request.header("Authorization", format!("Bearer {}", token.secret()));
        }
        request
    }

    fn run(
        &self,
        request: Request<impl AsSendBody>,
        endless: bool,
    ) -> Result<Response<Body>, ClientError> {
        let wait = if endless { None } else { Some(ANSWER_WAIT) };
        let request = self.agent.configure_request(request).timeout_recv_body(wait).build();
        let answer = self.agent.run(request).map_err(|error| self.failed(error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(answer)) }
    }

    fn read<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> Result<T, ClientError> {
        let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| self.failed(error))?;
        serde_json::from_slice(&body).map_err(|error| self.not_a_host(&error))
    }

    fn refused(&self, mut answer: Response<Body>) -> ClientError {
        let code = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(64 * 1024).read_to_vec();
        let body: Option<ErrorBody> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        match body {
            Some(body) if body.message.is_empty() => {
                ClientError::Refused { code, message: body.error }
            }
            Some(body) => ClientError::Refused { code, message: body.message },
            None => self.not_a_host(&format!("it answered {code} without a message")),
        }
    }

    fn not_a_host(&self, reason: &impl ToString) -> ClientError {
        ClientError::NotAHost { url: self.settings.host.to_string(), reason: reason.to_string() }
    }

    fn failed(&self, error: ureq::Error) -> ClientError {
        let url = self.settings.host.to_string();
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                ClientError::Unreachable { url, reason: "it does not take the connection".into() }
            }
            ureq::Error::Timeout(timeout) => {
                ClientError::TimedOut { url, waited: timeout.to_string() }
            }
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                ClientError::Unreachable { url, reason: "connection refused".into() }
            }
            ureq::Error::Protocol(error) => self.not_a_host(&error),
            other => ClientError::Unreachable { url, reason: other.to_string() },
        }
    }
}

// A body on its way out, that tells how far it is.
struct Upload<'a, F> {
    body: &'a [u8],
    done: usize,
    sent: &'a mut F,
}

impl<F: FnMut(u64, u64) -> bool> Read for Upload<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = (&self.body[self.done..]).read(buffer)?;
        self.done += count;
        if (self.sent)(self.done as u64, self.body.len() as u64) {
            Ok(count)
        } else {
            Err(std::io::Error::other("called off"))
        }
    }
}

fn program_path(id: &str, rest: &str) -> String {
    let id = percent_encoded(id);
    if rest.is_empty() { format!("/programs/{id}") } else { format!("/programs/{id}/{rest}") }
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_path_stays_one_segment() {
        assert_eq!(program_path("a/../b?x#y z", "logs"), "/programs/a%2F..%2Fb%3Fx%23y%20z/logs");
    }
}
