//! A host that lives as long as a test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{BOUND, Engine, filters, hersh, until};

/// A `hersh host` on a free port, with its own data folder. Dropping it ends the process and removes
/// what it left on the engine.
#[derive(Debug)]
pub struct HostProcess<'e> {
    engine: &'e Engine,
    folder: TempDir,
    running: Running,
    access: Access,
}

/// Whom a host lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Those with a token.
    Guarded,
    /// Everybody on this machine.
    Open,
}

#[derive(Debug)]
struct Running {
    child: Child,
    url: String,
    /// Held open: a host must not meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

/// What the host's API answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; a JSON string where it is no JSON.
    pub body: Value,
}

impl<'e> HostProcess<'e> {
    /// Starts a host on a new data folder, and waits until its API answers.
    pub fn start(engine: &'e Engine) -> Self {
        Self::start_with(engine, Access::Guarded)
    }

    /// The same, with `--no-auth`.
    pub fn start_open(engine: &'e Engine) -> Self {
        Self::start_with(engine, Access::Open)
    }

    fn start_with(engine: &'e Engine, access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let running = launch(engine, folder.path(), access);
        Self { engine, folder, running, access }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    /// The address of the API, `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// The host's process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Ends the host as a failure of the machine would, with no chance to say goodbye, and starts one
    /// again on the same data folder.
    pub fn kill_and_start_again(&mut self) {
        self.running.child.kill().expect("a host that runs can be killed");
        self.running.child.wait().expect("a killed host ends");
        self.running = launch(self.engine, self.folder.path(), self.access);
    }

    /// Asks the host to end, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.running.child.id()).ok().and_then(Pid::from_raw);
        let sent = kill_process(pid.expect("a process has an id"), Signal::TERM);
        sent.unwrap_or_else(|error| panic!("the host cannot be asked: {error}\n{}", self.log()));
        until("the host to end", || match self.running.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// What `hersh` with `args` does, talking to this host.
    pub fn hersh<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        // Bounded from outside: a command that hangs fails its test.
        Command::new("timeout")
            .arg((2 * BOUND).as_secs().to_string())
            .arg(hersh())
            .args(args)
            .env("HERSH_HOST", self.url())
            .env("HERSH_DATA_DIR", self.data())
            .env_remove("HERSH_TOKEN")
            .stdin(Stdio::null())
            .output()
            .expect("the hersh command runs")
    }

    /// What `hersh` with `args` prints.
    ///
    /// # Panics
    /// When it does not succeed, with all that it and the host said.
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let args: Vec<S> = args.into_iter().collect();
        let output = self.hersh(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        let log = if output.status.success() { String::new() } else { self.log() };
        assert!(output.status.success(), "hersh {args:?}: {}: {said}\n{log}", output.status);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Deploys `folder` under `name`, waits until it is Ready, and returns its id.
    pub fn deploy(&self, folder: &Path, name: &str) -> String {
        self.ok([OsStr::new("deploy"), folder.as_os_str(), "--name".as_ref(), name.as_ref()]);
        self.program(name)["program_id"].as_str().expect("a program has an id").to_owned()
    }

    /// What the API tells about the program of this name.
    pub fn program(&self, name: &str) -> Value {
        let list = self.get("/programs").body;
        let programs = list["programs"].as_array().into_iter().flatten();
        let id = programs
            .filter(|program| program["name"] == name)
            .find_map(|program| program["program_id"].as_str())
            .unwrap_or_else(|| panic!("no program is called {name}: {list}\n{}", self.log()));
        self.get(&format!("/programs/{id}")).body
    }

    /// Waits until the program of this name is in `state`, and returns what the API tells about it.
    pub fn until_state(&self, name: &str, state: &str) -> Value {
        until(&format!("{name} to be {state}"), || {
            let program = self.program(name);
            if program["state"] == state { Ok(program) } else { Err(program) }
        })
    }

    /// The API's answer to `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        let request = agent().get(format!("{}{path}", self.url()));
        let request = request.header("Authorization", self.authorization());
        answer(request.call().unwrap_or_else(|e| panic!("GET {path}: {e}\n{}", self.log())))
    }

    /// The API's answer to `POST path` with `body`.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let request = agent().post(format!("{}{path}", self.url()));
        let request = request.header("Authorization", self.authorization());
        answer(
            request.send_json(body).unwrap_or_else(|e| panic!("POST {path}: {e}\n{}", self.log())),
        )
    }

    /// The API's answer to `POST path` with this archive, sent as it is read; an error where the host
    /// hung up before it had all of it.
    ///
    /// # Errors
    /// What the connection said.
    pub fn post_archive(
        &self,
        path: &str,
        archive: &mut dyn std::io::Read,
    ) -> Result<Answer, ureq::Error> {
        let request = agent().post(format!("{}{path}", self.url()));
        let request = request.header("Authorization", self.authorization());
        let request = request.header("Content-Type", "application/x-tar");
        request.send(ureq::SendBody::from_reader(archive)).map(answer)
    }

    /// All containers of this host, running or not, as `docker inspect` tells them.
    pub fn containers(&self) -> Vec<Value> {
        self.engine.containers_of(&self.id())
    }

    /// The one container of this program, as `docker inspect` tells it.
    pub fn container(&self, program_id: &str) -> Value {
        let mut containers = self.containers();
        containers.retain(|container| container["Config"]["Labels"]["hersh.program"] == program_id);
        assert_eq!(containers.len(), 1, "one container of {program_id}: {containers:#?}");
        containers.remove(0)
    }

    /// All that the host wrote on its standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }

    /// By which the engine's things are labelled.
    pub fn id(&self) -> String {
        let id = fs::read_to_string(self.data().join("host.id")).expect("a host has an id");
        id.trim().to_owned()
    }

    /// The admin's token.
    pub fn token(&self) -> String {
        let token = fs::read_to_string(self.data().join("admin.token"));
        token.expect("a host makes its admin token").trim().to_owned()
    }

    fn authorization(&self) -> String {
        match self.access {
            Access::Guarded => format!("Bearer {}", self.token()),
            Access::Open => String::new(),
        }
    }
}

impl Drop for HostProcess<'_> {
    fn drop(&mut self) {
        // It may have ended already; then this does nothing.
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
        let id = self.id();
        self.engine.clean(&id);
        filters::remove(&id);
    }
}

fn launch(engine: &Engine, folder: &Path, access: Access) -> Running {
    let log = File::options().create(true).append(true).open(log_file(folder));
    let mut child = Command::new(hersh())
        .args([
            "host",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--docker",
            engine.host(),
            "--data-dir",
        ])
        .arg(data(folder))
        .args((access == Access::Open).then_some("--no-auth"))
        // A person's own engine is often used without being root; the walls have tests that need it.
        .args((!geteuid().is_root()).then_some("--allow-open-network"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("a file can be made in a new folder"))
        .spawn()
        .expect("the hersh command runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("it was asked to be piped"));
    // Bounded: the host says where it listens, or ends and the pipe with it.
    let said = serde_json::Deserializer::from_reader(&mut stdout).into_iter::<Value>().next();
    let Some(url) = said.and_then(Result::ok).and_then(|s| Some(s["url"].as_str()?.to_owned()))
    else {
        let _ = child.kill();
        let _ = child.wait();
        let log = fs::read_to_string(log_file(folder)).unwrap_or_default();
        panic!("the host did not say where it listens\n{log}");
    };
    until("the host to answer", || agent().get(format!("{url}/healthz")).call().map(drop));
    Running { child, url, _stdout: stdout }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("host.log")
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(BOUND.min(Duration::from_secs(30))))
        .build()
        .into()
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().expect("an answer is text");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, body }
}
