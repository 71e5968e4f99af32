//! The container engine that the tests may use.

use std::env;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One test at a time: hosts that start programs at one moment would race for ports, and the time that
/// a test gives its host is shared with nobody.
static TURN: Mutex<()> = Mutex::new(());

/// An engine with gVisor, in the hands of one test.
#[derive(Debug)]
pub struct Engine {
    host: String,
    _turn: MutexGuard<'static, ()>,
}

/// The engine that `HERSH_TEST_DOCKER_HOST` names (`tests/engine run` sets it), or `None` after saying
/// that the test is skipped.
///
/// # Panics
/// In CI when there is none: there a missing part is a failure.
pub fn engine() -> Option<Engine> {
    if let Ok(host) = env::var("HERSH_TEST_DOCKER_HOST") {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        return Some(Engine { host, _turn: turn });
    }
    let why = "no engine to test on: run `tests/engine run cargo test -p hersh-tests`, as root";
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    // Past the test's captured output: a skip must be seen.
    let _ = writeln!(io::stderr(), "skipped: {why}");
    None
}

impl Engine {
    /// Its address, as `DOCKER_HOST` takes it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What `docker` prints for `args`.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn docker(&self, args: &[&str]) -> String {
        let output = Command::new("docker")
            .env("DOCKER_HOST", &self.host)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("the docker command runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {}: {said}", output.status);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// `docker inspect` of one container, image or network.
    pub fn inspect(&self, what: &str) -> Value {
        let text = self.docker(&["inspect", what]);
        let mut list: Value = serde_json::from_str(&text).expect("docker inspect prints JSON");
        list[0].take()
    }

    /// `docker inspect` of all containers of a host, running or not.
    pub(crate) fn containers_of(&self, host_id: &str) -> Vec<Value> {
        let label = format!("label=hersh.host={host_id}");
        let ids = self.docker(&["ps", "--all", "--quiet", "--filter", &label]);
        ids.lines().map(|id| self.inspect(id)).collect()
    }

    /// Removes what a host left: containers, images, networks.
    pub(crate) fn clean(&self, host_id: &str) {
        let label = format!("label=hersh.host={host_id}");
        for (list, remove) in [
            (&["ps", "--all"][..], &["rm", "--force", "--volumes"][..]),
            (&["images"], &["rmi", "--force"]),
            (&["network", "ls"], &["network", "rm"]),
        ] {
            let ids = self.docker(&[list, &["--quiet", "--filter", &label]].concat());
            let mut ids: Vec<&str> = ids.lines().collect();
            // An image with two tags is listed twice.
            ids.dedup();
            if !ids.is_empty() {
                self.docker(&[remove, &ids].concat());
            }
        }
    }
}
