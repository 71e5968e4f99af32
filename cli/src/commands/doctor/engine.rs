//! What the Docker engine says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Check, probe};
use crate::host::docker::{Call, RunError, Runner};
use crate::program::Cancel;

// Docker before this let other machines of the same network reach ports published on 127.0.0.1.
const SAFE_PORTS: (u32, u32, u32) = (28, 0, 0);
// runc before this let a build or container out through a leaked descriptor (CVE-2024-21626).
const SAFE_RUNC: (u32, u32, u32) = (1, 1, 12);
const ANSWER_WAIT: Duration = Duration::from_secs(20);

// As the host asks for it.
const RUNTIME: &str = "runsc";
const INSTALL_GVISOR: &str = "install gVisor's runsc and register it: \
    `runsc install -- --network=host`, then restart Docker";

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

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    runtimes: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    memory_limit: bool,
    // An engine that does not say can.
    #[serde(default)]
    swap_limit: Option<bool>,
    #[serde(default)]
    pids_limit: bool,
    #[serde(default, rename = "CpuCfsQuota")]
    cpu_limit: bool,
    #[serde(default)]
    security_options: Vec<String>,
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
        let mut checks = judge_versions(&server);
        let info: Info = match self.ask("info") {
            Ok(info) => info,
            Err(check) => {
                checks.push(check);
                return checks;
            }
        };
        checks.extend(judge_limits(&info));
        let registered = judge_runtime(&info, RUNTIME);
        let there = registered.remedy.is_none();
        checks.push(registered);
        if there {
            step("starting a container under gVisor");
            checks.push(probe::gvisor(self, RUNTIME, &info.architecture));
        }
        checks.push(Check::note(
            "builds",
            "RUN steps of a Dockerfile execute outside gVisor",
            "deploy only Dockerfiles of people you trust with this machine",
        ));
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

fn judge_versions(server: &Server) -> Vec<Check> {
    let version = &server.version;
    let mut checks = vec![if parsed(version).is_some_and(|parsed| parsed < SAFE_PORTS) {
        let detail = format!(
            "{version}: before 28, other machines of this network may reach published ports, unless \
             the host sets its packet filters (walls)"
        );
        Check::note("docker", detail, "upgrade Docker, or see that walls is ok")
    } else {
        Check::ok("docker", format!("version {version}"))
    }];
    let runc = server.components.iter().find(|component| component.name == "runc");
    checks.push(match runc.map(|runc| (&runc.version, parsed(&runc.version))) {
        Some((version, Some(parsed))) if parsed < SAFE_RUNC => {
            let detail = format!(
                "{version}: unless your distribution mended it, a build can break out (CVE-2024-21626)"
            );
            Check::note("runc", detail, "upgrade runc to 1.1.12 or later")
        }
        Some((version, Some(_))) => Check::ok("runc", format!("version {version}")),
        _ => {
            let detail = "the engine does not tell its version";
            Check::note("runc", detail, "see that it is 1.1.12 or later: builds run under it")
        }
    });
    checks
}

// The numbers a version begins with: `1.1.12+ds1-2` is 1.1.12.
fn parsed(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.trim_start_matches('v').splitn(3, '.').map(|part| {
        let end = part.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse::<u32>().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

fn judge_limits(info: &Info) -> Vec<Check> {
    let limits = [
        ("memory", info.memory_limit),
        ("processors", info.cpu_limit),
        ("processes", info.pids_limit),
    ];
    let missing: Vec<_> =
        limits.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let mut checks = vec![if missing.is_empty() {
        Check::ok("limits", "memory, processors and processes can be limited")
    } else {
        let detail = format!("this kernel cannot limit {}", missing.join(", "));
        Check::fail("limits", detail, "enable the cgroup controllers memory, cpu and pids")
    }];
    if info.swap_limit == Some(false) {
        let detail = "swap cannot be limited: a program may use it beyond its memory";
        checks.push(Check::note("swap", detail, "boot with swapaccount=1, or turn swap off"));
    }
    if !info.security_options.iter().any(|option| option.contains("seccomp")) {
        let detail = "the engine has no seccomp: builds may use every system call";
        checks.push(Check::note("seccomp", detail, "use a kernel and an engine built with it"));
    }
    checks
}

fn judge_runtime(info: &Info, runtime: &str) -> Check {
    if info.runtimes.contains_key(runtime) {
        return Check::ok("runsc", format!("registered as {runtime}"));
    }
    let known = info.runtimes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let detail = format!("the engine knows no runtime {runtime}, only {known}");
    Check::fail("runsc", detail, INSTALL_GVISOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Status;

    fn server(docker: &str, runc: &str) -> Server {
        let component = Component { name: "runc".into(), version: runc.into() };
        Server { version: docker.into(), components: vec![component] }
    }

    fn statuses(checks: &[Check]) -> Vec<Status> {
        checks.iter().map(|check| check.status).collect()
    }

    #[test]
    fn versions() {
        assert_eq!(parsed("1.1.12+ds1-2"), Some((1, 1, 12)));
        assert_eq!(parsed("v28.0"), Some((28, 0, 0)));
        assert_eq!(parsed("1.2.0-rc.1"), Some((1, 2, 0)));
        assert_eq!(parsed("dev"), None);
        assert_eq!(statuses(&judge_versions(&server("28.2.2", "1.1.12"))), [Status::Ok; 2]);
        assert_eq!(statuses(&judge_versions(&server("27.5.1", "1.1.11"))), [Status::Note; 2]);
        assert_eq!(statuses(&judge_versions(&server("master", "?"))), [Status::Ok, Status::Note]);
    }

    #[test]
    fn what_the_engine_tells_of_itself() {
        let info: Info = serde_json::from_str(
            r#"{"Runtimes":{"runc":{"path":"runc"}},"MemoryLimit":true,"PidsLimit":false,
                "CpuCfsQuota":true,"SecurityOptions":["name=seccomp,profile=builtin"],
                "Architecture":"x86_64","Other":1}"#,
        )
        .unwrap();
        let limits = judge_limits(&info);
        assert_eq!(statuses(&limits), [Status::Fail]);
        let weak = judge_limits(&Info { swap_limit: Some(false), ..info.clone() });
        assert_eq!(statuses(&weak), [Status::Fail, Status::Note]);
        assert!(limits[0].detail.ends_with("cannot limit processes"), "{limits:?}");
        let runtime = judge_runtime(&info, "runsc");
        assert!(runtime.detail.contains("only runc"), "{runtime:?}");
        assert_eq!(judge_runtime(&info, "runc").status, Status::Ok);
    }
}
