//! The name servers that programs are given.
//!
//! On a bridge of its own a gVisor container cannot reach the engine's name server (127.0.0.11), so
//! programs get a file that names real ones.
use std::fmt::Write as _;
use std::net::IpAddr;

/// The file's name in the data folder.
pub(super) const FILE: &str = "resolv.conf";
/// Where machines write down their name servers; the second is where the real ones are when the
/// first names a server on the machine itself.
const PLACES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// More than this, and programs would not read on.
const MOST: usize = 3;

/// These servers, or the machine's own where there are none.
pub(super) fn servers(configured: &[IpAddr]) -> Vec<IpAddr> {
    let own = || {
        let files = PLACES.iter().filter_map(|place| std::fs::read_to_string(place).ok());
        files.map(|file| reachable(&file)).find(|servers| !servers.is_empty()).unwrap_or_default()
    };
    let mut servers = if configured.is_empty() { own() } else { configured.to_vec() };
    servers.truncate(MOST);
    servers
}

/// The file's text for these servers, or for the machine's own where there are none.
pub(super) fn text(configured: &[IpAddr]) -> String {
    let mut text = "# Written by the host for its programs.\n".to_owned();
    for server in servers(configured) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

/// What is wrong when the file names no server.
pub(super) fn lack(text: &str) -> Option<String> {
    let none = !text.lines().any(|line| line.starts_with("nameserver"));
    none.then(|| {
        "this machine names none that programs could reach: they will resolve no names".to_owned()
    })
}

/// The servers of a file that can be reached from elsewhere than the machine itself.
fn reachable(file: &str) -> Vec<IpAddr> {
    let servers = file.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let parsed = servers.filter_map(|rest| rest.trim().parse::<IpAddr>().ok());
    parsed.filter(|server| !server.is_loopback() && !server.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_the_machine_itself_are_left_out() {
        let file = "# x\nnameserver 127.0.0.53\n nameserver 10.0.0.1\nnameserver ::1\nnameserver fe80::1%eth0\nsearch a\n";
        assert_eq!(reachable(file), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn those_that_are_configured_are_taken() {
        let servers: Vec<IpAddr> = (1..=5).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        let text = text(&servers);
        assert!(text.contains("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"));
        assert!(!text.contains("10.0.0.4"));
        assert_eq!(lack(&text), None);
        assert!(lack("# nameserver\n").is_some());
    }
}
