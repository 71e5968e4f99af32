//! Tests of [`super`]: heads as they should be, and as hostile clients send them.

use proptest::prelude::*;

use super::*;

/// A head from lines, its body's rules included.
fn parse(lines: &str) -> Result<Head, Refusal> {
    Head::parse(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).into_bytes())
}

fn status(lines: &str) -> u16 {
    match parse(lines) {
        Err(refusal) => refusal.status,
        Ok(head) => panic!("accepted {lines:?} as {head:?}"),
    }
}

#[test]
fn a_plain_request_is_read() {
    let head = parse("GET /a%20b?c=d&e HTTP/1.1\nHost: localhost\nX-Odd: \u{fc}").unwrap();
    assert_eq!((head.method.as_str(), head.minor_version), ("GET", 1));
    assert_eq!((head.path(), head.query()), ("/a%20b", Some("c=d&e")));
    assert_eq!(head.values("HOST").collect::<Vec<_>>(), [b"localhost"]);
    assert_eq!(head.headers().count(), 2);
    assert_eq!(head.framing, Framing::None);
    assert!(head.keep_alive && !head.expects_continue);
}

#[test]
fn an_empty_header_value_is_empty() {
    let head = parse("GET / HTTP/1.1\nX-Empty:\nX-Full: y").unwrap();
    assert_eq!(head.values("x-empty").collect::<Vec<_>>(), [b""]);
    assert_eq!(head.values("x-full").collect::<Vec<_>>(), [b"y"]);
}

#[test]
fn every_form_of_target_is_taken_apart() {
    let target = |line: &str| {
        let head = parse(line).unwrap();
        let owned = |text: &str| text.to_owned();
        (head.path().to_owned(), head.query().map(owned), head.authority().map(owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(target("GET /?a?b HTTP/1.1"), ("/".into(), some("a?b"), None));
    assert_eq!(target("GET http://h:1/p?q HTTP/1.1"), ("/p".into(), some("q"), some("h:1")));
    assert_eq!(target("GET HTTP://h HTTP/1.1"), (String::new(), None, some("h")));
    assert_eq!(target("GET http://h?q HTTP/1.1"), (String::new(), some("q"), some("h")));
    assert_eq!(target("OPTIONS * HTTP/1.1"), ("*".into(), None, None));
}

#[test]
fn lengths_are_digits_and_one_only() {
    let framing = |value: &str| {
        parse(&format!("POST / HTTP/1.1\nContent-Length: {value}")).map(|head| head.framing)
    };
    assert_eq!(framing("17").unwrap(), Framing::Length(17));
    assert_eq!(framing("100000000000").unwrap(), Framing::Length(100_000_000_000));
    for junk in ["", "+5", "-5", "0x5", "5,5", "5 5", "5;", "\u{665}", "1e3", "5\t5"] {
        let refusal = framing(junk).expect_err(junk);
        assert_eq!(refusal.status, 400, "{junk:?}");
    }
    assert_eq!(framing("99999999999999999999").unwrap_err().status, 413);
}

#[test]
fn a_body_has_one_framing() {
    let post = "POST / HTTP/1.1\n";
    let chunked = parse(&format!("{post}Transfer-Encoding: Chunked")).unwrap();
    assert_eq!(chunked.framing, Framing::Chunked);
    let twice = [
        "Content-Length: 5\nContent-Length: 5",
        "Content-Length: 5\ncontent-length: 6",
        "Content-Length: 5\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nContent-Length: 5",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
    ];
    for headers in twice {
        assert_eq!(status(&format!("{post}{headers}")), 400, "{headers}");
    }
    for coding in ["identity", "gzip, chunked", "chunked, chunked", "xchunked", "\"chunked\"", ""] {
        assert_eq!(status(&format!("{post}Transfer-Encoding: {coding}")), 400, "{coding}");
    }
    assert_eq!(status("POST / HTTP/1.0\nTransfer-Encoding: chunked"), 400);
}

#[test]
fn versions_other_than_ours_are_told_from_nonsense() {
    assert_eq!(status("GET / HTTP/2.0"), 400);
    assert_eq!(status("PRI * HTTP/2.0"), 400);
    assert_eq!(status("GET / HTTP/1.2"), 400);
    for nonsense in ["GET /", "GET / HTTP/x.y", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "hello"] {
        assert_eq!(status(nonsense), 400, "{nonsense}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let bad = [
        "GET / HTTP/1.1\nHost : a",
        "GET / HTTP/1.1\n Host: a",
        "GET / HTTP/1.1\nHost: a\n folded",
        "GET / HTTP/1.1\nHost: a\n\tfolded",
        "GET / HTTP/1.1\n: a",
        "GET / HTTP/1.1\nHost",
        "GET / HTTP/1.1\nA\u{fc}: b",
        "GET / HTTP/1.1\nA: \u{1}",
        "GET /\u{fc} HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET https://a/ HTTP/1.1",
        "GET / HTTP/1.1\nExpect: 100-continue\nExpect: 100-continue",
    ];
    for lines in bad {
        assert_eq!(status(lines), 400, "{lines:?}");
    }
}

#[test]
fn the_number_of_headers_is_bounded() {
    let many = "\nA: b".repeat(MAX_HEADERS);
    assert!(parse(&format!("GET / HTTP/1.1{many}")).is_ok());
    assert_eq!(status(&format!("GET / HTTP/1.1{many}\nA: b")), 431);
}

#[test]
fn the_client_says_whether_it_stays() {
    let stays = |lines: &str| parse(lines).unwrap().keep_alive;
    assert!(stays("GET / HTTP/1.1"));
    assert!(stays("GET / HTTP/1.1\nConnection: keep-alive"));
    assert!(!stays("GET / HTTP/1.1\nConnection: foo , Close"));
    assert!(!stays("GET / HTTP/1.1\nConnection: foo\nConnection: close"));
    assert!(!stays("GET / HTTP/1.0"));
}

#[test]
fn expectations_are_known_or_refused() {
    let head = parse("POST / HTTP/1.1\nContent-Length: 1\nExpect: 100-Continue").unwrap();
    assert!(head.expects_continue);
    assert_eq!(status("POST / HTTP/1.1\nContent-Length: 1\nExpect: a-pony"), 417);
}

fn scan_in_pieces(bytes: &[u8], piece: usize) -> Scan {
    let mut scan = HeadScan::default();
    for end in (1..=bytes.len()).step_by(piece).chain([bytes.len()]) {
        match scan.advance(&bytes[..end]) {
            Scan::Partial => {}
            found => return found,
        }
    }
    Scan::Partial
}

#[test]
fn the_end_of_a_head_is_found() {
    let head = b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest";
    assert_eq!(scan_in_pieces(head, 1), Scan::Complete(head.len() - 4));
    assert_eq!(scan_in_pieces(b"GET / HTTP/1.1\r\nA: b\r\n", 1), Scan::Partial);
    assert_eq!(scan_in_pieces(b"\r\n\r\n\r\n", 1), Scan::Partial);
    for bad in [b"GET / HTTP/1.1\n".as_slice(), b"GET /\rHTTP", b"GET /\0", b"\n"] {
        assert!(matches!(scan_in_pieces(bad, 1), Scan::Bad(_)), "{bad:?}");
    }
}

/// Text that is nearly a head: pieces that matter to the parser, in any order.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST /x HTTP/1.0\r\n".to_vec()),
        Just(b"Content-Length: ".to_vec()),
        Just(b"Transfer-Encoding: chunked".to_vec()),
        Just(b"Host: localhost".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b": ".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
        "[ -~]{0,8}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn how_bytes_are_cut_does_not_matter(bytes in nearly_a_head(), piece in 1_usize..9) {
        prop_assert_eq!(scan_in_pieces(&bytes, piece), scan_in_pieces(&bytes, bytes.len().max(1)));
    }

    #[test]
    fn any_head_ends_in_a_decision(bytes in nearly_a_head()) {
        if let Scan::Complete(length) = scan_in_pieces(&bytes, 7) {
            prop_assert!(bytes[..length].ends_with(b"\r\n\r\n"));
            match Head::parse(bytes[..length].to_vec()) {
                Ok(head) => {
                    prop_assert!(head.values("content-length").count() <= 1);
                    prop_assert!(head.values("transfer-encoding").count() <= 1);
                    prop_assert!(head.path().is_ascii());
                }
                Err(refusal) => prop_assert!(matches!(refusal.status, 400 | 413 | 417 | 431)),
            }
        }
    }

    #[test]
    fn what_was_sent_is_what_is_read(
        path in "/[a-z0-9/._~%-]{0,30}",
        query in prop::option::of("[a-z0-9=&?]{0,20}"),
        fields in prop::collection::vec(("x-[A-Za-z0-9-]{0,10}", "[!-~]([ -~]{0,20}[!-~])?"), 0..20),
        length in any::<u64>(),
    ) {
        let query_part = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let lines: Vec<_> =
            fields.iter().map(|(name, value)| format!("\n{name}: {value}")).collect();
        let text = format!("POST {path}{query_part} HTTP/1.1{}", lines.concat());
        let head = parse(&format!("{text}\nContent-Length: {length}")).unwrap();
        prop_assert_eq!(head.path(), path);
        prop_assert_eq!(head.query(), query.as_deref());
        prop_assert_eq!(head.framing, Framing::Length(length));
        let read: Vec<_> = head.headers().take(fields.len())
            .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()))
            .collect();
        prop_assert_eq!(read, fields);
    }
}
