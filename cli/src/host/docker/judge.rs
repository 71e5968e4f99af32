//! What an engine's facts mean for the contract: in one place, for the host, which warns of them, and
//! for `doctor`, which reports them.
use serde_json::Value;

use crate::host::config::Runtime;

/// Docker before this let other machines of the same network reach ports published on 127.0.0.1.
const SAFE_PORTS: (u32, u32, u32) = (28, 0, 0);
/// runc before this let a build or container out through a leaked descriptor (CVE-2024-21626).
const SAFE_RUNC: (u32, u32, u32) = (1, 1, 12);
/// What every contract limits, and the field by which an engine says whether it can.
const LIMITS: [(&str, &str); 3] =
    [("MemoryLimit", "memory"), ("CpuCfsQuota", "processor time"), ("PidsLimit", "processes")];

/// How a fact weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Good,
    /// Programs run, with a weakness that whoever runs the host should know.
    Weak,
    /// Programs do not run as they are promised to.
    Unfit,
}

/// One fact, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, in a word.
    pub about: &'static str,
    /// How it weighs.
    pub verdict: Verdict,
    /// What is so.
    pub detail: String,
    /// What to do about it; empty where there is nothing to be done.
    pub remedy: &'static str,
}

impl Finding {
    fn good(about: &'static str, detail: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Good, detail: detail.into(), remedy: "" }
    }

    fn weak(about: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { about, verdict: Verdict::Weak, detail: detail.into(), remedy }
    }

    fn unfit(about: &'static str, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { about, verdict: Verdict::Unfit, detail: detail.into(), remedy }
    }

    /// A warning of it; none where all is well.
    pub fn warning(&self) -> Option<String> {
        (self.verdict != Verdict::Good).then(|| format!("{}; {}", self.detail, self.remedy))
    }
}

/// What an engine says of itself in `docker info`, judged.
pub fn engine(info: &Value) -> Vec<Finding> {
    let mut findings = vec![limits(info)];
    // An engine that does not say can.
    if info["SwapLimit"] == Value::Bool(false) {
        findings.push(Finding::weak(
            "swap",
            "this machine cannot limit swap: a program may use it beyond its memory",
            "boot with swapaccount=1, or turn swap off",
        ));
    }
    if !info["SecurityOptions"].to_string().contains("name=seccomp") {
        findings.push(Finding::weak(
            "seccomp",
            "this engine has no seccomp: system calls are not filtered",
            "use a kernel and an engine built with it",
        ));
    }
    findings.push(Finding::weak(
        "state",
        "the size of /state is not limited: a folder has no quota on this file system",
        "give the data folder a file system of its own, to bound all programs together",
    ));
    findings
}

/// What this engine says that it cannot limit.
pub(super) fn unlimited(info: &Value) -> Vec<&'static str> {
    let cannot = |flag: &str| info[flag] == Value::Bool(false);
    LIMITS.iter().filter(|(flag, _)| cannot(flag)).map(|(_, what)| *what).collect()
}

fn limits(info: &Value) -> Finding {
    let cannot = unlimited(info);
    if cannot.is_empty() {
        return Finding::good("limits", "memory, processor time and processes can be limited");
    }
    let detail =
        format!("this machine cannot limit {}: no program can be started", cannot.join(", "));
    Finding::unfit("limits", detail, "enable the cgroup controllers memory, cpu and pids")
}

/// What an engine of this version lets other machines do, unless the host's packet filters keep them
/// out.
pub fn ports(version: &str) -> Finding {
    if parsed(version).is_none_or(|parsed| parsed >= SAFE_PORTS) {
        return Finding::good("docker", format!("version {version}"));
    }
    let detail = format!(
        "Docker {version} is older than 28: other machines of the same network may reach ports that \
         are published on 127.0.0.1, unless the host sets its packet filters (walls)"
    );
    Finding::weak("docker", detail, "upgrade Docker, or see that walls is ok")
}

/// The version of runc, which builds run under; none where the engine does not tell it.
pub fn runc(version: Option<&str>) -> Finding {
    match version.map(|version| (version, parsed(version))) {
        Some((version, Some(parsed))) if parsed < SAFE_RUNC => {
            let detail = format!(
                "{version}: unless your distribution mended it, a build can break out (CVE-2024-21626)"
            );
            Finding::weak("runc", detail, "upgrade runc to 1.1.12 or later")
        }
        Some((version, Some(_))) => Finding::good("runc", format!("version {version}")),
        _ => Finding::weak(
            "runc",
            "the engine does not tell its version",
            "see that it is 1.1.12 or later: builds run under it",
        ),
    }
}

/// The runtimes that an engine says it knows.
pub fn runtimes(info: &Value) -> Vec<String> {
    info["Runtimes"].as_object().map(|known| known.keys().cloned().collect()).unwrap_or_default()
}

/// Whether the engine knows the runtime that programs are to run under.
pub fn runtime(runtime: Runtime, known: &[String]) -> Finding {
    let name = runtime.as_str();
    if known.iter().any(|other| other == name) {
        return Finding::good(name, format!("registered as {name}"));
    }
    let known = known.join(", ");
    let detail =
        format!("this engine has no runtime {name}, only {known}: no program can be started");
    let remedy = match runtime {
        Runtime::Runsc => {
            "install gVisor and register it with the engine (`runsc install -- --network=host`, then \
             restart Docker), or start the host with --runtime runc --allow-runc to do without its \
             walls"
        }
        Runtime::Runc => "see the engine's own documentation",
    };
    Finding::unfit(name, detail, remedy)
}

/// What no engine does.
pub fn builds() -> Finding {
    Finding::weak(
        "builds",
        "RUN steps of a Dockerfile execute outside gVisor",
        "deploy only Dockerfiles of people you trust with this machine",
    )
}

/// The numbers that a version begins with: `1.1.12+ds1-2` is 1.1.12.
fn parsed(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.trim_start_matches('v').splitn(3, '.').map(|part| {
        let end = part.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse::<u32>().ok()
    });
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weighty(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
        let weighty = findings.iter().filter(|finding| finding.verdict != Verdict::Good);
        weighty.map(|finding| (finding.about, finding.verdict)).collect()
    }

    #[test]
    fn versions() {
        assert_eq!(parsed("1.1.12+ds1-2"), Some((1, 1, 12)));
        assert_eq!(parsed("v28.0"), Some((28, 0, 0)));
        assert_eq!(parsed("1.2.0-rc.1"), Some((1, 2, 0)));
        assert_eq!(parsed("dev"), None);
        let verdicts = |text| (ports(text).verdict, runc(Some(text)).verdict);
        assert_eq!(verdicts("28.2.2"), (Verdict::Good, Verdict::Good));
        assert_eq!(verdicts("1.1.12"), (Verdict::Weak, Verdict::Good));
        assert_eq!(verdicts("1.1.11"), (Verdict::Weak, Verdict::Weak));
        assert_eq!(verdicts("master"), (Verdict::Good, Verdict::Weak));
        assert_eq!(runc(None).verdict, Verdict::Weak);
    }

    #[test]
    fn what_an_engine_cannot_do_is_said_by_name_and_with_a_remedy() {
        let able = json!({
            "MemoryLimit": true, "CpuCfsQuota": true, "PidsLimit": true, "SwapLimit": true,
            "SecurityOptions": ["name=seccomp,profile=default"],
        });
        assert_eq!(weighty(&engine(&able)), [("state", Verdict::Weak)]);
        let poor = json!({
            "MemoryLimit": false, "PidsLimit": false, "SwapLimit": false,
        });
        let findings = engine(&poor);
        let weak = |about| (about, Verdict::Weak);
        let unfit = ("limits", Verdict::Unfit);
        let all = [unfit, weak("swap"), weak("seccomp"), weak("state")];
        assert_eq!(weighty(&findings), all);
        let words: Vec<_> = findings.iter().filter_map(Finding::warning).collect();
        assert!(words[0].contains("cannot limit memory, processes"), "{words:?}");
        let old = ports("20.10.24+dfsg1").warning().unwrap();
        assert!(old.contains("older than 28") && old.contains("; upgrade Docker"), "{old}");
    }

    #[test]
    fn a_runtime_that_is_not_there_is_missed() {
        let known = ["runc".to_owned()];
        assert_eq!(runtime(Runtime::Runc, &known).verdict, Verdict::Good);
        let missing = runtime(Runtime::Runsc, &known);
        assert_eq!((missing.about, missing.verdict), ("runsc", Verdict::Unfit));
        assert!(missing.detail.contains("no runtime runsc, only runc"), "{missing:?}");
    }
}
