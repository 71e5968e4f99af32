//! The container engine that the tests may use.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One test at a time: each looks at all containers of its host, and the machine is small.
static TURN: Mutex<()> = Mutex::new(());

/// An engine with gVisor, held by one test.
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

    /// `docker inspect` of all containers, running or not, that keep something below `data`.
    pub fn containers_of(&self, data: &Path) -> Vec<Value> {
        let ids = self.docker(&["ps", "--all", "--quiet", "--filter", "label=hersh.program"]);
        ids.lines()
            .map(|id| self.inspect(id))
            .filter(|container| {
                let mounts = container["Mounts"].as_array().into_iter().flatten();
                mounts.filter_map(|m| m["Source"].as_str()).any(|s| Path::new(s).starts_with(data))
            })
            .collect()
    }

    /// Removes what a host with its data in `data` left: containers, then images and networks that
    /// carry the same host's label.
    pub(crate) fn clean(&self, data: &Path) {
        let mut hosts: Vec<String> = Vec::new();
        for container in self.containers_of(data) {
            if let Some(host) = container["Config"]["Labels"]["hersh.host"].as_str() {
                hosts.push(host.to_owned());
            }
            if let Some(id) = container["Id"].as_str() {
                self.docker(&["rm", "--force", "--volumes", id]);
            }
        }
        hosts.sort();
        hosts.dedup();
        for host in hosts {
            let label = format!("label=hersh.host={host}");
            for (list, remove) in [
                (&["images", "--quiet", "--filter", &label][..], &["rmi", "--force"][..]),
                (&["network", "ls", "--quiet", "--filter", &label], &["network", "rm"]),
            ] {
                let ids = self.docker(list);
                let mut ids: Vec<&str> = ids.lines().collect();
                ids.dedup();
                for id in ids {
                    self.docker(&[remove, &[id]].concat());
                }
            }
        }
    }
}
