//! What the engine is, what it cannot do, and the bridge that programs share.
use std::time::Duration;

use serde_json::Value;

use super::judge::{self, Finding};
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
    let mut facts = EngineFacts {
        warnings: judge::engine(&info).iter().filter_map(Finding::warning).collect(),
        cannot_limit: judge::unlimited(&info),
        runtimes: judge::runtimes(&info),
        version,
        ..Default::default()
    };
    let bridge = ensure_bridge(docker);
    if let Ok(network) = &bridge {
        facts.open = walls::ensure(docker, network).err();
    }
    // The walls keep other machines out, too.
    if facts.open.is_some() {
        facts.warnings.extend(judge::ports(&facts.version).warning());
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
