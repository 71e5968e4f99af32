//! Which well-formed requests are let through to the handler. Pure.

use std::net::IpAddr;

use tiny_http::Method;

use super::config::GateConfig;
use super::head::{Framing, Head};
use super::refusal::Refusal;

/// Checks a head against the rules of this gate.
pub(super) fn admit(head: &Head, config: &GateConfig) -> Result<(), Refusal> {
    admit_host(head, &config.allowed_hosts)?;
    if config.json_only && matches!(head.method, Method::Post | Method::Put | Method::Patch) {
        admit_json(head)?;
    }
    Ok(())
}

/// A body must be there, and of a type that a foreign page cannot send without asking first.
pub(super) fn admit_json(head: &Head) -> Result<(), Refusal> {
    if head.framing == Framing::None {
        return Err(Refusal::new(411, "Content-Length is required"));
    }
    if !is_json(head)? {
        return Err(Refusal::new(415, "Content-Type must be application/json"));
    }
    Ok(())
}

/// A page that a browser loaded from a foreign name may, once that name resolves to this machine,
/// talk to this server as if it were its own. Its `Host` gives it away.
fn admit_host(head: &Head, allowed: &[String]) -> Result<(), Refusal> {
    let header = match head.single("host", "more than one Host")? {
        None if head.minor_version == 1 => return Err(Refusal::bad("Host is required")),
        None => None,
        Some(value) => Some(str::from_utf8(value).map_err(|_| Refusal::bad("Host is not a name"))?),
    };
    for authority in header.into_iter().chain(head.authority()) {
        let name = host_of(authority).ok_or(Refusal::bad("Host is not a name"))?;
        if !is_known(name, allowed) {
            return Err(Refusal::new(403, "this server is not known by that Host"));
        }
    }
    Ok(())
}

/// The host of `host`, `host:port` or `[v6]:port`.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
        (inside, port)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port_fits = port.is_none_or(|digits| {
        digits.is_empty()
            || digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    });
    (!host.is_empty() && port_fits).then_some(host)
}

fn is_known(host: &str, allowed: &[String]) -> bool {
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn is_json(head: &Head) -> Result<bool, Refusal> {
    let value = head.single("content-type", "more than one Content-Type")?;
    let kind = value.and_then(|value| value.split(|byte| *byte == b';').next());
    Ok(kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lines: &str) -> Option<u16> {
        let config =
            GateConfig { allowed_hosts: vec!["prices.example".into()], ..GateConfig::default() };
        let raw = format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).into_bytes();
        let head = Head::parse(raw).expect("the head is well formed");
        admit(&head, &config).err().map(|refusal| refusal.status)
    }

    #[test]
    fn known_hosts_pass() {
        let known = [
            "127.0.0.1",
            "10.1.2.3:8080",
            "[::1]:80",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
            "Prices.Example:443",
        ];
        for host in known {
            assert_eq!(status(&format!("GET / HTTP/1.1\nHost: {host}")), None, "{host}");
        }
    }

    #[test]
    fn other_hosts_are_refused() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@b"] {
            assert_eq!(status(&format!("GET / HTTP/1.1\nHost: {host}")), Some(403), "{host}");
        }
        for host in ["", ":80", "[::1", "[::1]x", "localhost:x", "localhost:99999", "[]"] {
            assert_eq!(status(&format!("GET / HTTP/1.1\nHost: {host}")), Some(400), "{host}");
        }
        assert_eq!(status("GET / HTTP/1.1"), Some(400));
        assert_eq!(status("GET / HTTP/1.0"), None);
        assert_eq!(status("GET / HTTP/1.1\nHost: localhost\nHost: localhost"), Some(400));
    }

    #[test]
    fn an_absolute_target_must_name_a_known_host_too() {
        assert_eq!(status("GET http://evil.example/ HTTP/1.1\nHost: localhost"), Some(403));
        assert_eq!(status("GET http://127.0.0.1/ HTTP/1.1\nHost: localhost"), None);
    }

    #[test]
    fn posts_need_a_length_and_json() {
        let post = "POST / HTTP/1.1\nHost: localhost";
        assert_eq!(status(post), Some(411));
        assert_eq!(status(&format!("{post}\nContent-Length: 0")), Some(415));
        assert_eq!(
            status(&format!("{post}\nContent-Length: 0\nContent-Type: text/plain")),
            Some(415)
        );
        let json = "Content-Type: Application/JSON; charset=utf-8";
        assert_eq!(status(&format!("{post}\nContent-Length: 2\n{json}")), None);
        assert_eq!(status(&format!("{post}\nTransfer-Encoding: chunked\n{json}")), None);
    }

    #[test]
    fn a_gate_that_takes_more_than_json_takes_posts_that_say_nothing() {
        let config = GateConfig { json_only: false, ..GateConfig::default() };
        let raw = b"POST /programs/a/start HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
        let head = Head::parse(raw).expect("the head is well formed");
        assert!(admit(&head, &config).is_ok());
    }

    #[test]
    fn methods_are_the_handlers_to_judge() {
        for request in ["BREW /", "TRACE /", "get /", "OPTIONS *"] {
            assert_eq!(status(&format!("{request} HTTP/1.1\nHost: localhost")), None);
        }
    }
}
