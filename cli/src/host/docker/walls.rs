//! What programs on the host's bridge may reach: packet filters of the host's own.
//!
//! The engine keeps containers of one bridge apart, and no more: a program could reach every service
//! of this machine that listens on all interfaces, and the addresses at which clouds tell a machine
//! its secrets; and engines before 28 let other machines of the same network reach a port that is
//! published on 127.0.0.1. Three chains of the host's own close that, for its bridge alone:
//!
//! - `HERSH-<host>-IN`, from `INPUT`: nothing new reaches this machine but its name servers;
//! - `HERSH-<host>-FWD`, from `DOCKER-USER`: nothing reaches a metadata address, nor what this
//!   machine hands on to another (a container's published port), but name servers;
//! - `HERSH-<host>-TO`, from `DOCKER-USER`: nothing new from elsewhere reaches a program. What this
//!   machine itself sends to a published port does not pass there.
//!
//! They are written whole each time, so that it may be done again and again, and match one bridge, so
//! that no other host and nobody else's traffic meets them. Programs outlive their host, so the chains
//! go only when the bridge does: when a host ends that has no program left on it. It takes root and an
//! engine on this machine; where that is not so, the host says so by name, and starts no program with
//! a network unless it was told to.
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::{Call, Docker, Keep, Runner, Scratch};
use crate::program::Cancel;

/// How long a change of the filters may take, with the wait for others who change them.
const TIME: Duration = Duration::from_secs(10);
/// Where clouds answer for a machine, and what else is bound to a link.
const METADATA_4: [&str; 4] = ["169.254.0.0/16", "168.63.129.16", "100.100.100.200", "192.0.0.192"];
const METADATA_6: [&str; 3] = ["fe80::/10", "fd00:ec2::254", "fd20:ce::254"];
/// Without these a machine of the second protocol does not find its gateway.
const NEIGHBOURS: [&str; 2] = ["neighbour-solicitation", "neighbour-advertisement"];
/// Two that looked for a jump at one moment would both add it.
static TURN: Mutex<()> = Mutex::new(());

/// One of the two protocols, with its tools.
#[derive(Clone, Copy)]
struct Family {
    tool: &'static str,
    restore: &'static str,
    metadata: &'static [&'static str],
    is_v6: bool,
}

const FAMILIES: [Family; 2] = [
    Family { tool: "iptables", restore: "iptables-restore", metadata: &METADATA_4, is_v6: false },
    Family { tool: "ip6tables", restore: "ip6tables-restore", metadata: &METADATA_6, is_v6: true },
];

/// Closes what programs on this network must not reach.
///
/// # Errors
/// Why it could not be closed, for people.
pub(super) fn ensure(docker: &Docker, network: &Value) -> Result<(), String> {
    may(docker.address.as_deref())?;
    let bridge = interface(network).ok_or("the engine does not name the bridge's interface")?;
    if !Path::new("/sys/class/net").join(&bridge).exists() {
        return Err(format!("the bridge's interface {bridge} is not on this machine"));
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for family in FAMILIES {
        let closed = close(docker, family, &bridge);
        // Without addresses of its own, nothing of that protocol passes the bridge.
        if !family.is_v6 || network["EnableIPv6"] == Value::Bool(true) {
            closed?;
        }
    }
    Ok(())
}

/// Whether a host with its engine at this address could close it, tried on chains that nothing enters.
///
/// # Errors
/// Why it could not be closed, for people.
pub fn try_walls(address: Option<&str>) -> Result<(), String> {
    may(address)?;
    let [v4, _] = FAMILIES;
    // No host's id, and another for each that tries.
    let chains = chains(&format!("try-{}", std::process::id()));
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let written = write(&folder.path().join("rules"), v4, &rules(&chains, &[], v4));
    for chain in &chains {
        drop(run(v4.tool, &["-w", "-F", chain]));
        drop(run(v4.tool, &["-w", "-X", chain]));
    }
    written
}

/// Whether this process may set packet filters where programs run.
fn may(address: Option<&str>) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root may set packet filters".to_owned());
    }
    if address.is_some_and(|address| !address.starts_with("unix://")) {
        return Err("the engine may be on another machine, and packet filters are set here".into());
    }
    Ok(())
}

/// Takes the filters away, with the bridge of this interface.
pub(super) fn remove(docker: &Docker, bridge: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for family in FAMILIES {
        for (hook, way, chain) in hooks(docker, family) {
            let jump = [hook, way, bridge, "-j", &chain];
            drop(run(family.tool, &[&["-w", "-D"], &jump[..]].concat()));
            drop(run(family.tool, &["-w", "-F", &chain]));
            drop(run(family.tool, &["-w", "-X", &chain]));
        }
    }
}

/// The name of a bridge's interface.
pub(super) fn interface(network: &Value) -> Option<String> {
    let named = network["Options"][super::facts::INTERFACE].as_str();
    let by_id = || Some(format!("br-{}", network["Id"].as_str()?.get(..12)?));
    named.map(str::to_owned).or_else(by_id)
}

fn close(docker: &Docker, family: Family, bridge: &str) -> Result<(), String> {
    let text = rules(&chains(&docker.host_id), &docker.name_servers, family);
    write(&docker.scratch.join(format!("{}.rules", family.tool)), family, &text)?;
    for (hook, way, chain) in hooks(docker, family) {
        let jump = [hook, way, bridge, "-j", &chain];
        if run(family.tool, &[&["-w", "-C"], &jump[..]].concat()).is_err() {
            let first = [hook, "1", way, bridge, "-j", &chain];
            run(family.tool, &[&["-w", "-I"], &first[..]].concat())?;
        }
    }
    Ok(())
}

/// Sets these rules at once or not at all, by way of a file that goes again.
fn write(file: &Path, family: Family, rules: &str) -> Result<(), String> {
    let file = Scratch(file.to_owned());
    std::fs::write(&file.0, rules).map_err(|error| format!("{}: {error}", file.0.display()))?;
    run(family.restore, &["-w", "--noflush", &file.0.to_string_lossy()])
}

/// From where the host's chains are entered, and by what: what comes from the bridge (`-i`), or goes
/// to it (`-o`).
fn hooks(docker: &Docker, family: Family) -> [(&'static str, &'static str, String); 3] {
    let [inward, onward, back] = chains(&docker.host_id);
    // The engine asks this one first, and leaves it alone.
    let user = run(family.tool, &["-w", "-S", "DOCKER-USER"]).is_ok();
    let forward = if user { "DOCKER-USER" } else { "FORWARD" };
    [("INPUT", "-i", inward), (forward, "-i", onward), (forward, "-o", back)]
}

fn chains(host_id: &str) -> [String; 3] {
    ["IN", "FWD", "TO"].map(|way| format!("HERSH-{host_id}-{way}"))
}

/// The chains, whole.
fn rules([inward, onward, back]: &[String; 3], name_servers: &[IpAddr], family: Family) -> String {
    let mut text = format!("*filter\n:{inward} - [0:0]\n:{onward} - [0:0]\n:{back} - [0:0]\n");
    let mut rule = |chain: &str, words: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "-A {chain} {words}");
    };
    for chain in [inward, onward] {
        rule(chain, "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN");
        for server in name_servers.iter().filter(|ip| ip.is_ipv6() == family.is_v6) {
            for protocol in ["udp", "tcp"] {
                rule(chain, &format!("-p {protocol} -d {server} --dport 53 -j RETURN"));
            }
        }
    }
    for kind in NEIGHBOURS.iter().filter(|_| family.is_v6) {
        rule(inward, &format!("-p ipv6-icmp --icmpv6-type {kind} -j RETURN"));
    }
    rule(inward, "-j REJECT");
    for address in family.metadata {
        rule(onward, &format!("-d {address} -j REJECT"));
    }
    // Sent to an address of this machine, and handed on.
    rule(onward, "-m conntrack --ctstate DNAT -j REJECT");
    rule(back, "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN");
    rule(back, "-j REJECT");
    text.push_str("COMMIT\n");
    text
}

fn run(tool: &str, args: &[&str]) -> Result<(), String> {
    let runner = Runner::new(find(tool), vec![]);
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let call = Call { deadline: TIME, keep: Keep::Last(1 << 10), ..Call::new(&args) };
    runner.run(&call, &Cancel::new()).map(drop).map_err(|error| error.to_string())
}

/// Where the tool is: what a service's `PATH` names may leave the administrator's folders out.
fn find(tool: &str) -> std::path::PathBuf {
    let places =
        ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(|folder| Path::new(folder).join(tool));
    places.into_iter().find(|place| place.exists()).unwrap_or_else(|| tool.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[test]
    fn everything_is_closed_but_answers_and_name_servers() {
        let servers = ["10.0.0.2".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        let chains = chains("0123456789abcdef");
        let [v4, v6] = FAMILIES.map(|family| rules(&chains, &servers, family));
        assert_eq!(v4, include_str!("../../../tests/snapshots/walls-4.txt"));
        assert_eq!(v6, include_str!("../../../tests/snapshots/walls-6.txt"));
        // What the kernel takes as a chain's name.
        assert!(chains.iter().all(|chain| chain.len() <= 28));
    }

    #[test]
    fn nothing_is_set_here_for_an_engine_elsewhere() {
        for address in ["tcp://10.0.0.9:2376", "ssh://them"] {
            assert!(try_walls(Some(address)).is_err(), "{address}");
        }
    }

    #[test]
    fn an_interface_is_named_by_the_network_or_after_it() {
        let named = json!({"Options": {"com.docker.network.bridge.name": "hersh0"}, "Id": "0"});
        assert_eq!(interface(&named).as_deref(), Some("hersh0"));
        let plain = json!({"Options": {}, "Id": "0123456789abcdef"});
        assert_eq!(interface(&plain).as_deref(), Some("br-0123456789ab"));
        assert_eq!(interface(&json!({})), None);
    }
}
