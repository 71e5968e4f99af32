//! What a program under gVisor reaches, and what reaches it: names and other machines, but not this
//! one, nor its cloud; and nobody but this machine.
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hersh_cli::host::{Host, ProgramView};

use super::{ask, binary, docker, engine, real_config, remove_all, rig, rig_on, static_program};
use crate::support::{PATIENCE, deploy};

/// Another machine: a network namespace with addresses of its own, and a cloud's. This machine has
/// room for one, so the next test waits, in whatever process it is.
pub(super) struct Elsewhere {
    pub(super) address: String,
    pub(super) address_6: Option<String>,
    server: Child,
    _turn: File,
}

pub(super) const METADATA: &str = "169.254.169.254";
const METADATA_6: &str = "fd00:ec2::254";
const NAME: &str = "hersh-test";
const LINK: &str = "hersh-test0";

fn try_ip(args: &str) -> bool {
    let done = Command::new("ip").args(args.split(' ')).stderr(Stdio::null()).status();
    done.expect("`ip` of iproute2 runs").success()
}

fn ip(args: &str) {
    assert!(try_ip(args), "ip {args}");
}

impl Elsewhere {
    /// None, with a word about it, where only root could make one.
    pub(super) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            let why = "only root can make the other machine that this test needs";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
            return None;
        }
        let turn = File::create("/run/lock/hersh-test-network").unwrap();
        turn.lock().unwrap();
        clear();
        let (here, address) = ("198.18.5.1", "198.18.5.7");
        ip(&format!("netns add {NAME}"));
        ip(&format!("link add {LINK} type veth peer name eth0 netns {NAME}"));
        ip(&format!("addr add {here}/24 dev {LINK}"));
        ip(&format!("link set {LINK} up"));
        ip(&format!("-n {NAME} addr add {address}/24 dev eth0"));
        ip(&format!("-n {NAME} addr add {METADATA}/32 dev eth0"));
        ip(&format!("-n {NAME} link set eth0 up"));
        ip(&format!("-n {NAME} route add default via {here}"));
        ip(&format!("route add {METADATA}/32 via {address}"));
        let address_6 = second_protocol();
        let mut server = Command::new("ip")
            .args(["netns", "exec", NAME])
            .arg(binary())
            .args(["elsewhere", address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "here\n");
        Some(Self { address: address.to_owned(), address_6, server, _turn: turn })
    }

    /// What comes of reaching for this address from there.
    fn reach(target: &str) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", NAME])
            .arg(binary())
            .args(["tell", &format!("reach/{target}")])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// The same in the second protocol; the machine's address, where this kernel has that protocol.
fn second_protocol() -> Option<String> {
    let (here, address) = ("fd00:5eed::1", "fd00:5eed::7");
    // Without looking for others that have the same address: that would take a second.
    if !try_ip(&format!("addr add {here}/64 dev {LINK} nodad")) {
        return None;
    }
    ip(&format!("-n {NAME} addr add {address}/64 dev eth0 nodad"));
    ip(&format!("-n {NAME} addr add {METADATA_6}/128 dev eth0 nodad"));
    ip(&format!("-n {NAME} -6 route add default via {here}"));
    ip(&format!("-6 route add {METADATA_6}/128 via {address}"));
    Some(address.to_owned())
}

/// Removes the other machine, also one that a killed test left; the routes to it go with its link.
fn clear() {
    try_ip(&format!("link del {LINK}"));
    try_ip(&format!("netns del {NAME}"));
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        clear();
    }
}

/// The address by which this machine would go out; nothing is sent.
pub(super) fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    address.ok().map(|address| address.ip().to_string())
}

fn assert_reached_from_here(address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_secs(30))
        .unwrap_or_else(|error| panic!("this machine does not reach {address}: {error}"));
}

/// The kernel uses a new address of the second protocol only once it has heard of no other machine
/// that has it, so what a program tries in its first second may go out under another and be lost.
fn assert_reached_by(program: &ProgramView, target: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = ask(program, &format!("reach/{target}"));
        if said == "reached" {
            return;
        }
        assert!(Instant::now() < until, "{target} from a program: {said}");
    }
}

/// Where the engine has put a program.
fn place(host: &Host, program: &ProgramView) -> serde_json::Value {
    let seen = docker(&["container", "inspect", &program.container_id]);
    let mut seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    seen[0]["NetworkSettings"]["Networks"][format!("hersh-{}", host.host_id())].take()
}

#[test]
fn names_and_other_machines_are_reached_and_metadata_addresses_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut config) = real_config(dir.path(), 19_150..=19_159) else { return };
    let Some(elsewhere) = Elsewhere::new() else { return };
    config.dns = vec![elsewhere.address.parse().unwrap()];
    let host = Host::open(config).unwrap();
    let warnings = host.engine_report().warnings;
    assert!(!warnings.iter().any(|words| words.contains("can reach")), "{warnings:?}");
    let program = deploy(&host, static_program(""));
    assert_eq!(ask(&program, "reach/any.name.test:8443"), "reached");
    assert_eq!(ask(&program, &format!("reach/{}:80", elsewhere.address)), "reached");
    // It is there, and this machine reaches it.
    assert_reached_from_here(&format!("{METADATA}:80"));
    assert_ne!(ask(&program, &format!("reach/{METADATA}:80")), "reached");
    // There is nothing of the second protocol where nobody has asked for it.
    let interfaces = ask(&program, "read/proc/net/if_inet6");
    assert!(!interfaces.contains("eth0"), "{interfaces}");
    remove_all(&host);
}

#[test]
fn a_service_of_this_machine_that_listens_everywhere_is_not_reached() {
    let Some(rig) = rig(19_160..=19_169) else { return };
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let program = deploy(rig.host(), static_program(""));
    let gateway = place(rig.host(), &program)["Gateway"].as_str().map(str::to_owned);
    for address in [gateway, own_address()].into_iter().flatten() {
        assert_reached_from_here(&format!("{address}:{port}"));
        assert_ne!(ask(&program, &format!("reach/{address}:{port}")), "reached", "{address}");
    }
}

/// Opens a host on a bridge of both protocols, as an operator can make one beforehand.
fn rig_of_both_protocols() -> Option<super::Rig> {
    let mut rig = rig(19_460..=19_464)?;
    let id = rig.host().host_id().to_owned();
    rig.reopen(|_| {
        docker(&[
            "network",
            "create",
            "--driver=bridge",
            "--opt=com.docker.network.bridge.enable_icc=false",
            &format!("--opt=com.docker.network.bridge.name=hersh{id:.10}"),
            &format!("--label=hersh.host={id}"),
            "--ipv6",
            "--subnet=fd00:5eed:1::/64",
            &format!("hersh-{id}"),
        ]);
    });
    Some(rig)
}

#[test]
fn the_walls_are_the_same_in_the_second_protocol() {
    if engine().is_none() {
        return;
    }
    let Some(elsewhere) = Elsewhere::new() else { return };
    let Some(address) = elsewhere.address_6.clone() else {
        // Nothing of it can reach anything.
        return assert!(!std::path::Path::new("/proc/net/if_inet6").exists());
    };
    let rig = rig_of_both_protocols().unwrap();
    let service = TcpListener::bind("[::]:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let [program, other] = [(); 2].map(|()| deploy(rig.host(), static_program("")));
    let place = |of: &ProgramView, what: &str| {
        place(rig.host(), of)[what].as_str().filter(|text| !text.is_empty()).unwrap().to_owned()
    };
    let gateway = place(&program, "IPv6Gateway");
    assert_reached_by(&program, &format!("[{address}]:80"));
    for (there, target) in [
        ("the cloud's metadata", format!("[{METADATA_6}]:80")),
        ("a service of this machine", format!("[{gateway}]:{port}")),
        ("the same at another address", format!("[fd00:5eed::1]:{port}")),
        ("another program", format!("[{}]:8080", place(&other, "GlobalIPv6Address"))),
    ] {
        assert_reached_from_here(&target);
        assert_ne!(ask(&program, &format!("reach/{target}")), "reached", "{there}: {target}");
    }
    let target = format!("[{}]:8080", place(&program, "GlobalIPv6Address"));
    assert_ne!(Elsewhere::reach(&target), format!("reach/{target}: reached"));
}

/// The chain that lets nobody in from elsewhere; tells whether it was entered.
fn open_for_elsewhere(host_id: &str) -> bool {
    let bridge = format!("hersh{host_id:.10}");
    let chain = format!("HERSH-{host_id}-TO");
    let args = ["-w", "-D", "DOCKER-USER", "-o", &bridge, "-j", &chain];
    Command::new("iptables").args(args).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn a_port_on_loopback_is_not_reached_from_another_machine() {
    let Some(engine) = engine() else { return };
    let Some(_elsewhere) = Elsewhere::new() else { return };
    // It takes this machine's loopback addresses for ones on the way.
    ip(&format!("-n {NAME} route add 127.0.0.1/32 via 198.18.5.1 dev eth0"));
    let local = "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet";
    let told = Command::new("ip").args(["netns", "exec", NAME, "sh", "-c", local]).status();
    assert!(told.unwrap().success(), "{local}");
    let rig = rig_on(tempfile::tempdir().unwrap(), 19_465..=19_469).unwrap();
    let program = deploy(rig.host(), static_program(""));
    let own = place(rig.host(), &program)["IPAddress"].as_str().unwrap().to_owned();
    let port = program.port.unwrap();
    let ways = [format!("{own}:8080"), format!("127.0.0.1:{port}"), format!("198.18.5.1:{port}")];
    for target in &ways {
        let said = Elsewhere::reach(target);
        assert_ne!(said, format!("reach/{target}: reached"), "{engine}");
    }
    // Where the engine is too old to see to it by itself, it was this host that did.
    let version = rig.host().engine_report().version;
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    if major < 28 {
        let until = Instant::now() + PATIENCE;
        let reached =
            || ways[..2].iter().any(|target| Elsewhere::reach(target).ends_with(": reached"));
        // The host closes it again now and then.
        while !(open_for_elsewhere(rig.host().host_id()) && reached()) {
            assert!(Instant::now() < until, "it was closed already: what does this test prove?");
        }
    }
}
