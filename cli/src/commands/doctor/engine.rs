//! What the Docker engine says of itself.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Check, probe};
use crate::host::Runtime;
use crate::host::docker::judge::{self, Finding, Verdict};
use crate::host::docker::{Call, RunError, Runner};
use crate::program::Cancel;

const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// As the host asks for it.
const RUNTIME: Runtime = Runtime::Runsc;

/// The engine, by way of its client.
pub(super) struct Engine {
    runner: Runner,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    server: Option<Server>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    version: String,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
    version: String,
}

impl Engine {
    /// The engine at this address, or where the client finds it by itself.
    pub(super) fn new(host: Option<String>) -> Self {
        let env = host.map(|host| ("DOCKER_HOST".to_owned(), host)).into_iter().collect();
        Self { runner: Runner::new("docker", env) }
    }

    /// Everything about the engine; `step` is told what is being looked at.
    pub(super) fn look(&self, mut step: impl FnMut(&str)) -> Vec<Check> {
        let version: Version = match self.ask("version") {
            Ok(version) => version,
            Err(check) => return vec![check],
        };
        let Some(server) = version.server else {
            return vec![unreachable("the client answers without a server")];
        };
        let info: Value = match self.ask("info") {
            Ok(info) => info,
            Err(check) => return vec![check],
        };
        let mut findings = vec![judge::ports(&server.version)];
        let runc = server.components.iter().find(|component| component.name == "runc");
        findings.push(judge::runc(runc.map(|runc| runc.version.as_str())));
        findings.extend(judge::engine(&info));
        findings.push(judge::builds());
        let registered = judge::runtime(RUNTIME, &judge::runtimes(&info));
        let there = registered.verdict == Verdict::Good;
        findings.push(registered);
        let mut checks: Vec<_> = findings.into_iter().map(Check::from).collect();
        if there {
            step("starting a container under gVisor");
            let architecture = info["Architecture"].as_str().unwrap_or_default();
            checks.push(probe::gvisor(self, RUNTIME.as_str(), architecture));
        }
        checks
    }

    /// Runs the client with these arguments.
    pub(super) fn run(&self, args: &[&str], deadline: Duration) -> Result<Vec<u8>, RunError> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.runner.run(&Call { deadline, ..Call::new(&args) }, &Cancel::new())
    }

    fn ask<T: DeserializeOwned>(&self, what: &str) -> Result<T, Check> {
        let answer = self.run(&[what, "--format", "{{json .}}"], ANSWER_WAIT);
        let answer = answer.map_err(|error| match &error {
            RunError::Spawn { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                let detail = "the docker command is not installed";
                Check::fail("docker", detail, "install Docker Engine (on Debian: docker.io)")
            }
            RunError::Exit { .. } => unreachable(error.stderr().trim()),
            _ => unreachable(&error.to_string()),
        })?;
        serde_json::from_slice(&answer)
            .map_err(|error| unreachable(&format!("`docker {what}` cannot be read: {error}")))
    }
}

fn unreachable(why: &str) -> Check {
    let why = why.lines().last().unwrap_or_default();
    Check::fail(
        "docker",
        format!("the engine cannot be used: {why}"),
        "start it, name it with --docker, or join the group that may use it",
    )
}

impl From<Finding> for Check {
    fn from(finding: Finding) -> Self {
        let Finding { about, verdict, detail, remedy } = finding;
        match verdict {
            Verdict::Good => Self::ok(about, detail),
            Verdict::Weak => Self::note(about, detail, remedy),
            Verdict::Unfit => Self::fail(about, detail, remedy),
        }
    }
}
