//! The walls between programs, and between a program and the host, tried from inside.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use hersh_tests::{Engine, HostProcess, engine, filters, probe, until};

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
    assert!(TcpStream::connect(format!("127.0.0.1:{published}")).is_ok());
    assert!(TcpStream::connect(format!("127.0.0.1:{api}")).is_ok());
}

#[test]
fn a_program_reaches_no_service_of_the_machine_for_as_long_as_it_runs() {
    let Some(engine) = walled_engine() else { return };
    let mut host = HostProcess::start(&engine);
    let id = host.deploy(probe(PROBE).path(), "inmate");
    let networks = host.container(&id)["NetworkSettings"]["Networks"].clone();
    let network = networks.as_object().and_then(|all| all.values().next()).expect("one network");
    let gateway = network["Gateway"].as_str().expect("a gateway").to_owned();
    // What comes of reaching for a service that listens on all interfaces: a new one each time.
    let reach = |host: &HostProcess<'_>| {
        let service = TcpListener::bind("0.0.0.0:0").expect("a port is free");
        let port = service.local_addr().expect("it listens").port();
        TcpStream::connect((gateway.as_str(), port)).expect("this machine reaches itself");
        attempt(host, &id, &format!("dial {gateway}:{port}"))
    };
    let outcome = reach(&host);
    assert!(outcome.starts_with("refused"), "{outcome}");
    let set = filters::of(&host.id());
    assert!(!set.is_empty());

    // Nothing else keeps it from there, or the rest would prove nothing.
    filters::remove(&host.id());
    assert_eq!(reach(&host), "reached");
    // The host that comes after a power cut sets them again.
    host.kill_and_start_again();
    host.until_state("inmate", "Ready");
    assert_eq!(filters::of(&host.id()), set);
    let outcome = reach(&host);
    assert!(outcome.starts_with("refused"), "{outcome}");

    // It runs on when the host ends, and so do its walls; they go with the last program.
    assert!(host.terminate().success());
    assert_eq!(filters::of(&host.id()), set);
    host.kill_and_start_again();
    host.ok(["rm", "inmate"]);
    until("the program to be gone", || match host.containers().len() {
        0 => Ok(()),
        left => Err(left),
    });
    assert!(host.terminate().success());
    assert_eq!(filters::of(&host.id()), [""; 0]);
}

#[test]
fn a_port_that_another_container_publishes_to_everybody_is_not_reached() {
    let Some(engine) = walled_engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(probe(PROBE).path(), "inmate");
    let image = host.container(&id)["Image"].as_str().expect("it has an image").to_owned();
    // Not this host's, on the engine's usual bridge, open to all.
    let publish = ["run", "--detach", "--label=hersh.host=nobody", "--publish=0.0.0.0::8080"];
    let other = Removed(&engine, engine.docker(&[&publish[..], &[image.as_str()]].concat()));
    let seen = engine.inspect(&other.1)["NetworkSettings"].take();
    let published = seen["Ports"]["8080/tcp"][0]["HostPort"].as_str().expect("a port");
    let gateway = seen["Networks"]["bridge"]["Gateway"].as_str().expect("a gateway");
    let address = seen["Networks"]["bridge"]["IPAddress"].as_str().expect("an address");
    for target in [format!("{gateway}:{published}"), format!("{address}:8080")] {
        until(&format!("{target} to answer this machine"), || {
            TcpStream::connect(&target).map(drop).map_err(|error| error.to_string())
        });
        let outcome = attempt(&host, &id, &format!("dial {target}"));
        assert!(outcome.starts_with("refused"), "{target}: {outcome}");
    }
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

/// An engine, where this process may set packet filters beside it.
fn walled_engine() -> Option<Engine> {
    if rustix::process::geteuid().is_root() {
        return engine();
    }
    let why = "only root may set the packet filters that this test is about";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    // Past the test's captured output: a skip must be seen.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    None
}

/// A container that is removed with this value.
struct Removed<'e>(&'e Engine, String);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        self.0.docker(&["rm", "--force", "--volumes", &self.1]);
    }
}
