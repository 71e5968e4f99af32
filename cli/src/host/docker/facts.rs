//! What the engine is, what it cannot do, and the bridge that programs share.
use std::time::Duration;

use serde_json::Value;

use super::{Docker, EngineError, EngineFacts, Keep, RunError, is_missing, walls};
use crate::host::compose::LABEL_HOST;
use crate::program::Cancel;

/// How long the last question of a host that is shutting down may take.
const LEAVE: Duration = Duration::from_secs(5);
/// The bridge option that keeps containers of one bridge apart.
const APART: &str = "com.docker.network.bridge.enable_icc";
/// The bridge option that names its interface.
pub(super) const INTERFACE: &str = "com.docker.network.bridge.name";

pub(super) fn probe(docker: &Docker) -> Result<EngineFacts, EngineError> {
    let out = docker.ask(&["info", "--format", "{{json .}}"])?;
    let info: Value =
        serde_json::from_slice(&out).map_err(|error| docker.unclear("info", &error))?;
    // A client without an engine prints what it knows of itself, and lists what went wrong.
    let version = info["ServerVersion"].as_str().unwrap_or_default().to_owned();
    if version.is_empty() {
        let words = info["ServerErrors"].to_string();
        return Err(EngineError::Refused(format!("the engine does not answer: {words}")));
    }
    let mut facts = EngineFacts { warnings: shortcomings(&info), ..Default::default() };
    facts.version = version;
    facts.cannot_limit = unlimited(&info).collect();
    facts.runtimes = info["Runtimes"]
        .as_object()
        .map(|runtimes| runtimes.keys().cloned().collect())
        .unwrap_or_default();
    let bridge = ensure_bridge(docker);
    if let Ok(network) = &bridge {
        facts.open = walls::ensure(docker, network).err();
    }
    // The walls keep other machines out, too.
    if facts.open.is_some() {
        facts.warnings.extend(lets_others_in(&facts.version));
    }
    match bridge {
        Ok(_) => facts.keeps_apart = true,
        Err(words) => facts.warnings.push(format!(
            "programs with a network cannot be started, since this engine would not keep them \
             apart: {words}"
        )),
    }
    Ok(facts)
}

/// What the engine says it cannot limit.
fn unlimited(info: &Value) -> impl Iterator<Item = &'static str> {
    [("MemoryLimit", "memory"), ("CpuCfsQuota", "processor time"), ("PidsLimit", "processes")]
        .into_iter()
        .filter(|(flag, _)| info[*flag] == Value::Bool(false))
        .map(|(_, what)| what)
}

/// What this engine cannot do of the contract.
fn shortcomings(info: &Value) -> Vec<String> {
    let mut words = Vec::new();
    for what in unlimited(info) {
        words.push(format!("this machine cannot limit {what}: no program can be started"));
    }
    if info["SwapLimit"] == Value::Bool(false) {
        words.push(
            "this machine cannot limit swap: a program may use swap beyond its memory".to_owned(),
        );
    }
    let secured = info["SecurityOptions"].to_string();
    if !secured.contains("name=seccomp") {
        words.push("this engine has no seccomp: system calls are not filtered".to_owned());
    }
    words.push(
        "the size of /state is not limited: a bind mount has no quota on this file system"
            .to_owned(),
    );
    words
}

/// What an engine of this version lets happen by itself.
fn lets_others_in(version: &str) -> Option<String> {
    let major = version.split('.').next().and_then(|text| text.parse::<u32>().ok());
    major.is_some_and(|major| major < 28).then(|| {
        format!(
            "engine {version} is older than 28: other machines of the same network may reach \
             ports that are published on 127.0.0.1"
        )
    })
}

/// Sets the packet filters again, in case somebody has cleared them away.
pub(super) fn uphold(docker: &Docker) -> Result<(), String> {
    walls::ensure(docker, &ensure_bridge(docker)?)
}

/// Makes the host's bridge, or makes sure that the one that is there keeps programs apart.
pub(super) fn ensure_bridge(docker: &Docker) -> Result<Value, String> {
    let name = Docker::bridge(&docker.host_id);
    let look = || docker.ask(&["network", "inspect", "--format", "{{json .}}", &name]);
    let label = format!("{LABEL_HOST}={}", docker.host_id);
    let option = format!("{APART}=false");
    let interface = format!("{INTERFACE}={}", interface(&docker.host_id));
    let make = || {
        docker.ask(&[
            "network",
            "create",
            "--driver=bridge",
            "--opt",
            &option,
            "--opt",
            &interface,
            "--label",
            &label,
            &name,
        ])
    };
    let found = match look() {
        Err(error) if is_no_network(&error) => {
            make().map_err(|error| error.to_string())?;
            look()
        }
        other => other,
    };
    let out = found.map_err(|error| error.to_string())?;
    let network: Value = serde_json::from_slice(&out).map_err(|error| error.to_string())?;
    let apart = network["Options"][APART] == "false" && network["Driver"] == "bridge";
    if !apart {
        return Err(format!("network {name} exists and does not have {option}"));
    }
    filtering().map(|()| network)
}

/// What the bridge's interface is called, so that an administrator's own filters may name it: the
/// kernel takes 15 bytes.
fn interface(host_id: &str) -> String {
    format!("hersh{host_id:.10}")
}

/// Removes the host's bridge, unless programs are on it.
pub(super) fn remove_bridge(docker: &Docker) {
    let name = Docker::bridge(&docker.host_id);
    let ask = |args: &[&str]| docker.ask_for(args, LEAVE, Keep::Last(1 << 20), &Cancel::new());
    let seen = ask(&["network", "inspect", "--format", "{{json .}}", &name]);
    let network: Value =
        seen.ok().and_then(|out| serde_json::from_slice(&out).ok()).unwrap_or_default();
    // One that is still needed stays, with its filters; there is nothing to be done about it.
    if ask(&["network", "rm", &name]).is_ok()
        && let Some(bridge) = walls::interface(&network)
    {
        walls::remove(docker, &bridge);
    }
}

fn is_no_network(error: &RunError) -> bool {
    let words = error.stderr().to_ascii_lowercase();
    is_missing(error) || words.contains("no such network") || words.contains("not found")
}

/// Containers of one bridge are kept apart by packet filters, which the kernel can be told not to
/// apply to bridges. Where the kernel does not say, the engine has made sure when it made the
/// network.
fn filtering() -> Result<(), String> {
    let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim() == "0" => Err(format!("{file} is 0")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_engine_cannot_do_is_said_by_name() {
        let able = json!({
            "MemoryLimit": true, "CpuCfsQuota": true, "PidsLimit": true, "SwapLimit": true,
            "SecurityOptions": ["name=seccomp,profile=default"],
        });
        assert_eq!(shortcomings(&able).len(), 1, "the size of /state alone");
        assert!(lets_others_in("20.10.24+dfsg1").is_some_and(|old| old.contains("older than 28")));
        assert_eq!(lets_others_in("28.2.2"), None);
        let poor = json!({"MemoryLimit": false, "PidsLimit": false, "SwapLimit": false});
        let words = shortcomings(&poor).join("\n");
        for what in ["limit memory", "limit processes", "swap", "seccomp"] {
            assert!(words.contains(what), "{what}: {words}");
        }
    }
}
