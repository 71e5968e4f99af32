//! Which headers pass the proxy, in either direction. Pure.

/// Headers that are about one connection, not about what is sent over it (RFC 9110, 7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Of a request, what does not reach a program: the host's own secrets, what the proxy says
/// itself, and what a client could use to lie about where it comes from.
const NOT_TO_PROGRAMS: &[&str] = &[
    "authorization",
    "cookie",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
];

/// Of an answer, what does not reach a client. All programs answer from the host's own address,
/// so a browser would take these for the host's word on itself and on every other program.
const NOT_FROM_PROGRAMS: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "alt-svc",
    "clear-site-data",
    "content-length",
    "content-security-policy",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
    "x-content-type-options",
];

/// The names that a `Connection` header adds to the ones about one connection.
pub(super) fn named_by_connection<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Vec<String> {
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .filter_map(|name| std::str::from_utf8(name).ok())
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether a request's header is passed on to the program.
pub(super) fn goes_to_program(name: &str, connection: &[String]) -> bool {
    passes(name, connection, NOT_TO_PROGRAMS)
}

/// Whether an answer's header is passed on to the client.
pub(super) fn comes_from_program(name: &str, connection: &[String]) -> bool {
    passes(name, connection, NOT_FROM_PROGRAMS)
}

fn passes(name: &str, connection: &[String], kept_back: &[&str]) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    !HOP_BY_HOP.iter().any(|other| is(other))
        && !kept_back.iter().any(|other| is(other))
        && !connection.iter().any(|other| is(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_one_connection_stays_there() {
        let headers = [
            ("Connection", b"close, X-Mine ,".as_slice()),
            ("X-Mine", b"1"),
            ("connection", b"Keep-Alive"),
        ];
        let named = named_by_connection(headers.into_iter());
        assert_eq!(named, ["close", "x-mine", "keep-alive"]);
        assert!(!goes_to_program("x-mine", &named));
        assert!(!goes_to_program("Transfer-Encoding", &[]));
        assert!(!comes_from_program("Upgrade", &[]));
        assert!(goes_to_program("Accept", &named) && comes_from_program("ETag", &named));
    }

    #[test]
    fn the_hosts_token_reaches_no_program_and_a_program_sets_no_cookie() {
        assert!(!goes_to_program("Authorization", &[]));
        assert!(!goes_to_program("X-Forwarded-For", &[]));
        assert!(!comes_from_program("Set-Cookie", &[]));
        assert!(!comes_from_program("Access-Control-Allow-Origin", &[]));
    }
}
