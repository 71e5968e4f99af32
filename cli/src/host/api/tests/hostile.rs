//! Clients that want the host to fail: what the gate's own tests hold against it, held against the API
//! that it serves here, with its larger bodies and its answers without an end. After each of them
//! another client is served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Served, a_program};

const CREATE: &str =
    "POST /programs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.gate.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn assert_serves(served: &Served) {
    assert_eq!(served.ask("GET", "/programs").status, 200);
}

/// Sends bytes on a connection of their own, and returns the code of the refusal, which is of the one
/// shape that all errors here have.
fn refused(served: &Served, bytes: impl AsRef<[u8]>) -> u16 {
    let mut stream = connect(served);
    // It may be refused before all of it was sent.
    let _ = stream.write_all(bytes.as_ref());
    assert_serves(served);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(body["code"], code, "{body}");
    assert!(body["error"].is_string() && body["message"].is_string(), "{body}");
    code
}

#[test]
fn lengths_beyond_all_memory_are_refused() {
    let served = Served::open();
    for length in ["100000000000", "18446744073709551615", "18446744073709551616"] {
        let request = format!("{CREATE}Content-Length: {length}\r\n\r\nx");
        assert_eq!(refused(&served, request), 413, "{length}");
    }
    let id = served.create();
    let start = format!("POST /programs/{id}/start HTTP/1.1\r\nHost: localhost\r\n");
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(3);
    let request = format!("{start}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    assert_eq!(refused(&served, request), 413, "chunks count too");
}

#[test]
fn what_is_not_framed_or_not_http_is_refused() {
    let served = Served::open();
    for preface in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "\x16\x03\x01\x02\n"]
    {
        assert_eq!(refused(&served, preface), 400, "{preface:?}");
    }
    let smuggled = "0\r\n\r\nDELETE /programs/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length : 5",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ] {
        let status = refused(&served, format!("{CREATE}{framing}\r\n\r\n{smuggled}"));
        assert_eq!(status, 400, "{framing:?}");
    }
    let long = "x".repeat(100_000);
    assert_eq!(refused(&served, format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n")), 431);
    let header = format!("{CREATE}Hersh-Env: {long}\r\n\r\n");
    assert_eq!(refused(&served, header), 431);
}

#[test]
fn documents_that_are_deep_or_wide_are_refused_or_bounded() {
    let served = Served::open();
    let send = |body: String| {
        let length = body.len();
        refused(
            &served,
            format!("{CREATE}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
        )
    };
    assert_eq!(send("[".repeat(200_000)), 400);
    assert_eq!(send(format!("{{\"limits\":{}", "{\"a\":".repeat(200_000))), 400);
    let mut body = a_program();
    body["src_files"] = (0..5_000).map(|number| (format!("f{number}"), Value::from(""))).collect();
    assert_eq!(send(body.to_string()), 400, "more files than a program may have");
    assert_eq!(served.ask("GET", "/programs").body["count"], 0);
}

#[test]
fn clients_that_do_nothing_or_little_or_do_not_read_keep_nobody_out() {
    let served = Served::open();
    let id = served.ready();
    let idle: Vec<_> = (0..200).map(|_| connect(&served)).collect();
    let begun: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(&served);
            stream.write_all(b"GET /programs HTTP/1.1\r\nHost: local").unwrap();
            stream
        })
        .collect();
    // Uploads that stop in the middle: those that find no place are told so at once.
    let uploads: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = connect(&served);
            let _ =
                stream.write_all(format!("{CREATE}Content-Length: 90000000\r\n\r\n{{").as_bytes());
            stream
        })
        .collect();
    let deaf: Vec<_> = ["/events".to_owned(), format!("/programs/{id}/events?follow=true")]
        .iter()
        .cycle()
        .take(40)
        .map(|path| {
            let mut stream = connect(&served);
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_serves(&served);
    }
    assert_eq!(served.ask("POST", &format!("/programs/{id}/stop")).status, 200);
    served.until(&id, "Stopped");
    drop((idle, begun, uploads, deaf));
    // What they held is free again.
    let started = std::time::Instant::now();
    while served.post("/programs", &a_program()).status != 201 {
        assert!(started.elapsed() < Duration::from_secs(60), "the places are not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn damaged_requests_are_refused_and_nothing_else() {
    let served = Served::open();
    let id = served.create();
    let body = a_program().to_string();
    let posted = |path: &str, kind: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
             Idempotency-Key: k\r\nHersh-Env: {{\"A\":\"b\"}}\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let get = |path: String| format!("{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let whole = [
        posted("/programs", "application/json", body.as_bytes()),
        posted("/programs?user_id=ann&name=a", "application/x-tar", &an_archive()),
        posted("/tokens", "application/json", br#"{"user_id":"ann","scope":"read"}"#),
        get(format!("GET /programs/{id}/logs?tail=5&follow=false")),
        get(format!("DELETE /programs/{id}?purge=maybe")),
        get(format!("POST /programs/{id}/watcher/message")),
        get("GET /tickets?status=pending&limit=5&cursor=1".to_owned()),
        get("POST /tickets/health/cancel".to_owned()),
    ];
    // The same damage each time: a bit, a byte or a piece, chosen by a small generator.
    let mut seed = 0x9e37_79b9_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for round in 0..1_200 {
        let mut request = whole[round % whole.len()].clone();
        for _ in 0..=random(3) {
            let at = random(request.len());
            match random(3) {
                0 => request[at] ^= 1 << random(8),
                1 => request[at] = u8::try_from(random(256)).unwrap(),
                _ => drop(request.drain(at..(at + random(20)).min(request.len()))),
            }
            if request.is_empty() {
                request.push(b'x');
            }
        }
        let mut stream = connect(&served);
        // The gate may have refused before it has read everything.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let server_error = status.starts_with("HTTP/1.1 5") || status.starts_with("HTTP/1.0 5");
        let allowed = ["501", "503", "505"].iter().any(|code| status.ends_with(code));
        assert!(!server_error || allowed, "{status} to {:?}", String::from_utf8_lossy(&request));
    }
    assert_eq!(served.ask("GET", "/healthz").status, 200);
}

fn an_archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("Dockerfile", "FROM scratch\n"), ("a/b.txt", "x")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}
