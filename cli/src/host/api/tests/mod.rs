//! The host API as clients meet it: a host on a fake engine, behind a live gate on loopback.

mod access;
mod archives;
mod hostile;
mod keys;
mod programs;
mod proxied;
mod status;
mod tickets;
mod tokens;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hersh::http::Gate;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

use super::{ApiConfig, serve};
use crate::host::auth::{ADMIN_TOKEN_FILE, Auth};
use crate::host::engine::FakeEngine;
use crate::host::{Host, HostConfig};

/// A served host; everything ends with it.
pub(super) struct Served {
    pub(super) gate: Gate,
    pub(super) host: Host,
    pub(super) engine: FakeEngine,
    pub(super) dir: TempDir,
    agent: Agent,
    /// The admin's token, where the host asks for one.
    pub(super) admin: String,
}

/// What a request was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) response: Response<Body>,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The error's message, after its shape was checked.
    pub(super) fn error(&self, status: u16, reason: &str) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["error"], reason);
        assert_eq!(self.body["code"], status);
        assert_eq!(self.body.as_object().unwrap().len(), 3, "{}", self.body);
        self.body["message"].as_str().unwrap()
    }
}

impl Served {
    pub(super) fn open() -> Self {
        Self::with(|_| ())
    }

    /// One that asks for tokens.
    pub(super) fn guarded() -> Self {
        let tokens = tempfile::tempdir().unwrap();
        let mut served = Self::with(|config| config.auth = Auth::admin(tokens.path()).unwrap());
        let token = std::fs::read_to_string(tokens.path().join(ADMIN_TOKEN_FILE)).unwrap();
        token.trim().clone_into(&mut served.admin);
        served
    }

    pub(super) fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), FakeEngine::new(), change)
    }

    /// The same host, ended and opened again.
    pub(super) fn reopened(self) -> Self {
        let Self { gate, host, engine, dir, .. } = self;
        assert!(gate.shutdown(Duration::from_secs(30)));
        drop((gate, host));
        Self::on(dir, engine, |_| ())
    }

    fn on(dir: TempDir, engine: FakeEngine, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let mut config = HostConfig::new(dir.path().join("data"));
        config.check_every = Duration::from_millis(20);
        // Not the usual range, where hosts of other tests look for free ports too.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        config.ports = free..=free.saturating_add(20);
        let clone = engine.clone();
        let host = Host::open_with(config, move |_, _, _| Arc::new(clone)).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let mut config = ApiConfig::new(address, Auth::open(address).unwrap());
        change(&mut config);
        let gate = serve(host.clone(), config).unwrap();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        Self { gate, host, engine, dir, agent, admin: String::new() }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gate.local_addr())
    }

    pub(super) fn send(&self, request: Request<Vec<u8>>) -> Answer {
        let mut response = self.agent.run(request).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status: response.status().as_u16(), response, body }
    }

    pub(super) fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(self.url(path)).body(Vec::new()).unwrap())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[])
    }

    pub(super) fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(self.url(path)).header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_string().into_bytes()).unwrap())
    }

    /// The answer to a request with this token and, if it is something, this body.
    pub(super) fn as_bearer(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(self.url(path))
            .header("Authorization", format!("Bearer {token}"));
        let mut bytes = Vec::new();
        if !body.is_null() {
            request = request.header("Content-Type", "application/json");
            bytes = body.to_string().into_bytes();
        }
        self.send(request.body(bytes).unwrap())
    }

    /// The id of a new program.
    pub(super) fn create(&self) -> String {
        let answer = self.post("/programs", &a_program());
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["program_id"].as_str().unwrap().to_owned()
    }

    /// The id of a new program that is Ready.
    pub(super) fn ready(&self) -> String {
        let id = self.create();
        assert_eq!(self.ask("POST", &format!("/programs/{id}/start")).status, 200);
        self.until(&id, "Ready");
        id
    }

    /// Waits until a program is in this state.
    pub(super) fn until(&self, id: &str, state: &str) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.ask("GET", &format!("/programs/{id}"));
            if answer.body["state"] == state {
                return answer.body;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{}", answer.body);
            std::thread::yield_now();
        }
    }
}

/// What a client sends at least.
pub(super) fn a_program() -> Value {
    json!({ "user_id": "ann", "dockerfile": "FROM scratch\n", "src_files": { "a/b.txt": "x" } })
}
