//! What a program under gVisor reaches, and what it does not: names and other machines, but not this
//! one, nor its cloud.
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hersh_cli::host::Host;
use hersh_cli::host::engine::Engine;

use super::{ask, binary, real_config, rig, static_program};
use crate::support::deploy;

/// The machines of a test: a network namespace with an address of its own, and a cloud's.
struct Elsewhere {
    name: String,
    link: String,
    address: String,
    server: Child,
}

const METADATA: &str = "169.254.169.254";

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split(' ')).status().expect("`ip` of iproute2 runs");
    assert!(done.success(), "ip {args}");
}

impl Elsewhere {
    fn new() -> Self {
        let number = std::process::id() % 200;
        let (name, link) = (format!("hersh-test-{number}"), format!("hersh-t{number}"));
        let (here, address) = (format!("198.18.{number}.1"), format!("198.18.{number}.7"));
        ip(&format!("netns add {name}"));
        ip(&format!("link add {link} type veth peer name eth0 netns {name}"));
        ip(&format!("addr add {here}/24 dev {link}"));
        ip(&format!("link set {link} up"));
        ip(&format!("-n {name} addr add {address}/24 dev eth0"));
        ip(&format!("-n {name} addr add {METADATA}/32 dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} route add default via {here}"));
        ip(&format!("route add {METADATA}/32 via {address}"));
        let mut server = Command::new("ip")
            .args(["netns", "exec", &name])
            .arg(binary())
            .args(["elsewhere", &address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "here\n");
        Self { name, link, address, server }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        for args in [format!("link del {}", self.link), format!("netns del {}", self.name)] {
            let _ = Command::new("ip").args(args.split(' ')).status();
        }
    }
}

#[test]
fn names_and_other_machines_are_reached_and_metadata_addresses_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut config) = real_config(dir.path(), 19_150..=19_159) else { return };
    let elsewhere = Elsewhere::new();
    config.dns = vec![elsewhere.address.parse().unwrap()];
    let host = Host::open(config).unwrap();
    let warnings = host.engine_report().warnings;
    assert!(!warnings.iter().any(|words| words.contains("can reach")), "{warnings:?}");
    let program = deploy(&host, static_program(""));
    assert_eq!(ask(&program, "reach/any.name.test:8443"), "reached");
    assert_eq!(ask(&program, &format!("reach/{}:80", elsewhere.address)), "reached");
    // It is there, and this machine reaches it.
    let metadata = (METADATA.to_owned(), 80);
    TcpStream::connect_timeout(
        &std::net::ToSocketAddrs::to_socket_addrs(&metadata).unwrap().next().unwrap(),
        Duration::from_secs(30),
    )
    .unwrap();
    assert_ne!(ask(&program, &format!("reach/{METADATA}:80")), "reached");
    super::remove_all(&host);
}

#[test]
fn a_service_of_this_machine_that_listens_everywhere_is_not_reached() {
    let Some(rig) = rig(19_160..=19_169) else { return };
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let program = deploy(rig.host(), static_program(""));
    let seen = rig.engine().inspect(&program.container_id.parse().unwrap()).unwrap().unwrap();
    let network = format!("hersh-{}", rig.host().host_id());
    let gateway =
        seen["NetworkSettings"]["Networks"][network]["Gateway"].as_str().unwrap().to_owned();
    let other = {
        // The address by which this machine would go out; nothing is sent.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).ok()
    };
    let addresses = [Some(gateway), other.map(|address| address.ip().to_string())];
    for address in addresses.into_iter().flatten() {
        TcpStream::connect((address.as_str(), port)).expect("this machine reaches itself");
        assert_ne!(ask(&program, &format!("reach/{address}:{port}")), "reached", "{address}");
    }
}
