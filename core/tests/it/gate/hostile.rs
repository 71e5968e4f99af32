//! Requests that bring down a server that believes its clients. After each the process is alive
//! and another client is served, while the hostile one is still connected.

use std::time::Duration;

use hersh::http::{Gate, GateConfig};

use super::client::{Client, assert_serves, config, open};

/// The beginning of a request with a body.
const POST: &str = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// Sends bytes on a connection of their own and returns the status of the answer, after which
/// the connection must be over and others be served.
fn refused(gate: &Gate, bytes: impl AsRef<[u8]>) -> u16 {
    let mut client = Client::connect(gate.local_addr());
    client.send(bytes);
    let answer = client.answer();
    assert_serves(gate);
    assert!(answer.json()["error"].is_string(), "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed(), "nothing after a refusal can be understood");
    answer.status
}

#[test]
fn a_length_beyond_all_memory_is_refused() {
    let gate = open(config());
    assert_eq!(refused(&gate, format!("{POST}Content-Length: 100000000000\r\n\r\nx")), 413);
    assert_eq!(refused(&gate, format!("{POST}Content-Length: 18446744073709551615\r\n\r\nx")), 413);
    assert_eq!(refused(&gate, format!("{POST}Content-Length: 18446744073709551616\r\n\r\nx")), 413);
}

#[test]
fn a_length_that_nobody_reads_is_never_read() {
    let gate = open(config());
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100000000000\r\n\r\n";
    for (request, expected) in [("GET /hello", "hello"), ("POST /ignore", "ignored")] {
        let mut client = Client::connect(gate.local_addr());
        client.send(format!("{request} {head}"));
        let answer = client.answer();
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_serves(&gate);
    }
}

#[test]
fn the_preface_of_another_protocol_is_refused() {
    let gate = open(config());
    assert_eq!(refused(&gate, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400);
    assert_eq!(refused(&gate, "GET / HTTP/2.0\r\n\r\n"), 400);
    assert_eq!(refused(&gate, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\n"), 400);
}

#[test]
fn a_body_with_two_framings_cannot_smuggle_a_request() {
    let gate = open(config());
    let smuggled = "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let framings = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length : 5",
        "Content-Length:\r\n 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding:\x0bchunked",
    ];
    for framing in framings {
        let status = refused(&gate, format!("{POST}{framing}\r\n\r\n{smuggled}"));
        assert_eq!(status, 400, "{framing:?}");
    }
}

#[test]
fn chunks_that_are_not_framed_are_refused() {
    let gate = open(config());
    let chunks = [
        "g\r\n",
        "-1\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\n",
        "3\r\nhello\r\n",
        "fffffffffffffffff\r\n",
    ];
    for chunk in chunks {
        let request = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        assert_eq!(refused(&gate, request), 400, "{chunk:?}");
    }
}

#[test]
fn chunks_count_against_the_cap() {
    let gate = open(GateConfig { max_body_bytes: 1000, ..config() });
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let request = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(11));
    assert_eq!(refused(&gate, request), 413);
}

#[test]
fn a_head_beyond_its_cap_is_refused() {
    let gate = open(config());
    let long = "x".repeat(100_000);
    assert_eq!(refused(&gate, format!("GET /{long}")), 431);
    assert_eq!(refused(&gate, format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n")), 431);
    assert_eq!(refused(&gate, format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {long}")), 431);
    // Small enough for the cap on bytes, too many for the cap on lines.
    let many = "A: b\r\n".repeat(2000);
    assert_eq!(refused(&gate, format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")), 431);
}

#[test]
fn bytes_that_no_head_has_are_refused() {
    let gate = open(config());
    assert_eq!(refused(&gate, b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n"), 400);
    assert_eq!(refused(&gate, [0; 5000]), 400);
    assert_eq!(refused(&gate, b"GET / HTTP/1.1\nHost: localhost\n\n"), 400);
    assert_eq!(refused(&gate, b"GET / HTTP/1.1\rHost: localhost\r\r"), 400);
    assert_eq!(refused(&gate, b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
    assert_eq!(refused(&gate, b"\x01\r\n\r\n"), 400);
}

#[test]
fn a_foreign_page_cannot_steer() {
    let gate = open(config());
    let status = |request: &str| {
        let mut client = Client::connect(gate.local_addr());
        client.send(request);
        let answer = client.answer();
        let cors = answer
            .headers
            .iter()
            .any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
        assert!(!cors, "{answer:?}");
        answer.status
    };
    assert_eq!(status("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403);
    assert_eq!(status("GET /hello HTTP/1.1\r\n\r\n"), 400);
    let post = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
    assert_eq!(status(&format!("{post}\r\n")), 411);
    assert_eq!(status(&format!("{post}Content-Length: 0\r\n\r\n")), 415);
    assert_eq!(
        status(&format!("{post}Content-Length: 2\r\nContent-Type: text/plain\r\n\r\n{{}}")),
        415
    );
}

/// A server that allows `head` for heads and `body` for bodies.
fn impatient(head: Duration, body: Duration) -> Gate {
    open(GateConfig { head_timeout: head, body_timeout: body, ..config() })
}

/// Sends one byte after another until the server ends the connection; it must do so before the
/// bytes run out, though each comes well within the deadline.
fn dribble(client: &mut Client, byte: u8) {
    let dribbled = (0..10_000).take_while(|_| {
        std::thread::sleep(Duration::from_millis(5));
        client.try_send([byte]).is_ok()
    });
    assert!(dribbled.count() < 10_000, "the deadline was extended by dribbling");
}

#[test]
fn a_dribbled_head_ends_at_its_deadline() {
    let gate = impatient(Duration::from_millis(150), Duration::from_secs(60));
    let mut client = Client::connect(gate.local_addr());
    client.send("GET /hello HTTP/1.1\r\nA: ");
    dribble(&mut client, b'x');
    assert_serves(&gate);
}

#[test]
fn a_head_that_stops_is_answered_and_ended() {
    let gate = impatient(Duration::from_millis(50), Duration::from_secs(60));
    assert_eq!(refused(&gate, "GET /hello HTTP/1.1\r\nA: "), 408);
}

#[test]
fn the_second_head_on_a_connection_has_a_deadline_too() {
    let gate = impatient(Duration::from_millis(50), Duration::from_secs(60));
    let mut client = Client::connect(gate.local_addr());
    assert_eq!(client.get("/hello").status, 200);
    client.send("GET /hel");
    assert_eq!(client.answer().status, 408);
    assert!(client.is_closed());
}

#[test]
fn a_dribbled_body_ends_at_its_deadline() {
    let gate = impatient(Duration::from_secs(60), Duration::from_millis(150));
    let mut client = Client::connect(gate.local_addr());
    client.send(format!("{POST}Content-Length: 100000\r\n\r\n"));
    dribble(&mut client, b'x');
    let mut client = Client::connect(gate.local_addr());
    client.send(format!("{POST}Transfer-Encoding: chunked\r\n\r\n1000;"));
    dribble(&mut client, b'0');
    assert_serves(&gate);
}

#[test]
fn a_body_that_comes_more_slowly_than_it_must_ends_long_before_its_deadline() {
    let gate = impatient(Duration::from_secs(60), Duration::from_secs(3600));
    let head = |grace: &str| {
        format!(
            "{}Content-Length: 100000\r\n\r\n",
            POST.replace("/echo", &format!("/paced?{grace}"))
        )
    };
    let mut client = Client::connect(gate.local_addr());
    client.send(head("100"));
    dribble(&mut client, b'x');
    // One that sends nothing is waited for no longer.
    assert_eq!(refused(&gate, head("100")), 408);
    let mut client = Client::connect(gate.local_addr());
    client.send(head("60000") + &"x".repeat(100_000));
    assert_eq!(client.answer().text(), "100000");
}

#[test]
fn a_body_that_stops_is_answered_and_ended() {
    let gate = impatient(Duration::from_secs(60), Duration::from_millis(50));
    assert_eq!(refused(&gate, format!("{POST}Content-Length: 5\r\n\r\nabc")), 408);
}

#[test]
fn a_silent_client_is_let_go() {
    let gate = impatient(Duration::from_millis(50), Duration::from_secs(60));
    let mut client = Client::connect(gate.local_addr());
    assert!(client.is_closed());
    assert_serves(&gate);
}

#[test]
fn a_client_that_does_not_read_frees_its_thread_at_the_deadline() {
    let gate = open(GateConfig {
        max_threads: 1,
        pending_timeout: Duration::from_secs(60),
        write_timeout: Duration::from_millis(100),
        ..config()
    });
    let mut client = Client::connect(gate.local_addr());
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().unwrap().status, 200);
    // Waits for the only thread, and so for the deadline.
    assert_serves(&gate);
    assert!(client.try_answer().is_err(), "the rest of the answer never came");
}
