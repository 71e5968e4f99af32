//! The walls between programs, and between a program and the host, tried from inside.

use std::net::TcpListener;

use hersh_tests::{HostProcess, engine, probe, until};

use crate::whole_path::context;

const PROBE: &str = "FROM scratch\nCOPY probe /probe\nENTRYPOINT [\"/probe\", \"watch\"]\n";

#[test]
fn two_programs_cannot_reach_each_other_nor_the_host() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let folder = probe(PROBE);
    let one = host.deploy(folder.path(), "one");
    let other = host.deploy(folder.path(), "other");
    let try_it = |what: &str| attempt(&host, &one, what);

    // The probe can tell: it reaches itself.
    assert_eq!(try_it("dial 127.0.0.1:8080"), "reached");

    let other = host.container(&other);
    let networks = other["NetworkSettings"]["Networks"].as_object().expect("docker tells them");
    let network = networks.values().next().expect("one network");
    let address = network["IPAddress"].as_str().expect("an address");
    let gateway = network["Gateway"].as_str().expect("a gateway");
    let published = &other["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostPort"];
    let published = published.as_str().expect("a port");
    let api = host.url().rsplit(':').next().expect("an address has a port");

    for target in [
        format!("{address}:8080"),
        format!("{gateway}:{published}"),
        format!("127.0.0.1:{published}"),
        format!("{gateway}:{api}"),
        format!("127.0.0.1:{api}"),
    ] {
        let outcome = try_it(&format!("dial {target}"));
        assert!(outcome.starts_with("refused"), "{target}: {outcome}");
    }
    // The machine itself reaches both, or the walls above prove nothing.
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{published}")).is_ok());
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{api}")).is_ok());
}

#[test]
fn a_program_writes_to_its_state_and_nowhere_else() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(probe(PROBE).path(), "writer");
    let try_it = |what: &str| attempt(&host, &id, what);

    assert_eq!(try_it("write /state/x"), "reached");
    for place in ["/x", "/tmp/x", "/dev/shm/x", "/etc/x", "/probe", "/proc/sys/kernel/hostname"] {
        let outcome = try_it(&format!("write {place}"));
        assert!(outcome.starts_with("refused"), "{place}: {outcome}");
    }
}

#[test]
fn a_program_sees_gvisor_and_not_the_machines_kernel() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(probe(PROBE).path(), "reader");
    let version = attempt(&host, &id, "read /proc/version");
    assert!(version.contains("4.4.0"), "{version}");
}

#[test]
fn a_published_port_is_the_machines_alone() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    host.deploy(probe(PROBE).path(), "private");
    let url = host.program("private")["proxy_url"].as_str().expect("an address").to_owned();
    let port: u16 = url.rsplit(':').next().and_then(|p| p.parse().ok()).expect("a port");
    // Taken on loopback, hence this fails; free on every other address of loopback's own network.
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
    assert!(TcpListener::bind(("127.0.0.2", port)).is_ok());
}

/// What came of telling the probe to do something.
fn attempt(host: &HostProcess<'_>, id: &str, what: &str) -> String {
    let name = host.get(&format!("/programs/{id}")).body["name"].clone();
    host.ok(["send", name.as_str().expect("a program has a name"), what]);
    until(&format!("the probe to have tried to {what}"), || {
        let outcome = context(host, id, what);
        outcome.as_str().map(str::to_owned).ok_or(outcome)
    })
}
