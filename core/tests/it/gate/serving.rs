//! What a well-behaved client gets.

use std::time::Duration;

use hersh::http::{Gate, GateConfig, GateError, Handler, Request, Response};

use super::client::{Client, assert_serves, config, open};

#[test]
fn a_connection_serves_many_requests() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    for round in 0..50 {
        assert_eq!(client.get("/hello").text(), "hello");
        assert_eq!(client.get(&format!("/query?n={round}")).text(), format!("n={round}"));
        assert_eq!(client.post("/echo", "some words").text(), "some words");
    }
    assert_eq!(client.get("/nowhere").status, 404);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    let chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let both =
        |round: i32| format!("GET /query?{round} HTTP/1.1\r\nHost: localhost\r\n\r\n{chunked}");
    let all: Vec<_> = (0..200).map(both).collect();
    client.send(all.concat());
    for round in 0..200 {
        assert_eq!(client.answer().text(), round.to_string());
        assert_eq!(client.answer().text(), "abc");
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    for byte in b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn head_requests_get_no_body() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    assert_eq!(client.get("/hello").text(), "hello", "the connection goes on");
}

#[test]
fn old_clients_are_answered_and_let_go() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_to_be_let_go_is() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_waits_for_permission_gets_it_when_the_body_is_wanted() {
    let gate = open(config());
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut client = Client::connect(gate.local_addr());
    client.send(format!("POST /echo {head}"));
    assert_eq!(client.answer().status, 100);
    client.send("abc");
    assert_eq!(client.answer().text(), "abc");

    client.send(format!("POST /ignore {head}"));
    let answer = client.answer();
    assert_eq!(answer.text(), "ignored", "no permission was given");
    assert_eq!(answer.header("connection"), Some("close"), "the body may come or not");
}

#[test]
fn a_small_body_that_nobody_read_does_not_end_the_connection() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    assert_eq!(client.post("/ignore", "not read").text(), "ignored");
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn a_connection_ends_after_its_share_of_requests() {
    let gate = open(GateConfig { max_requests: 3, ..config() });
    let mut client = Client::connect(gate.local_addr());
    assert_eq!(client.get("/hello").header("connection"), None);
    assert_eq!(client.get("/hello").header("connection"), None);
    assert_eq!(client.get("/hello").header("connection"), Some("close"));
    assert!(client.is_closed());
    assert_serves(&gate);
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let gate = open(GateConfig { idle_timeout: Duration::from_millis(50), ..config() });
    let mut client = Client::connect(gate.local_addr());
    assert_eq!(client.get("/hello").text(), "hello");
    assert!(client.is_closed());
}

#[test]
fn a_handler_that_panics_costs_one_answer() {
    let gate = open(config());
    let answer = Client::connect(gate.local_addr()).get("/panic");
    assert_eq!(answer.status, 500);
    assert_serves(&gate);
}

#[test]
fn a_handler_may_set_its_own_cap() {
    let handler = |request: &mut Request<'_>| {
        request.set_max_body(if request.path() == "/more" { 100 } else { 5 });
        match request.read_body() {
            Ok(body) => Response::text(200, body.len().to_string()),
            Err(error) => error.into(),
        }
    };
    let gate = Gate::bind(GateConfig { max_body_bytes: 10, ..config() }, handler).unwrap();
    let post = |path: &str, body: &str| Client::connect(gate.local_addr()).post(path, body);
    assert_eq!(post("/more", &"x".repeat(100)).text(), "100");
    assert_eq!(post("/more", &"x".repeat(101)).status, 413);
    assert_eq!(post("/less", "xxxxxx").status, 413);
    assert_eq!(post("/less", "xxxxx").text(), "5");
}

/// A server with an error shape of its own.
struct OwnShape;

impl Handler for OwnShape {
    fn handle(&self, _request: &mut Request<'_>) -> Response {
        Response::new(204)
    }

    fn refusal(&self, status: u16, reason: &str) -> Response {
        Response::json(status, &serde_json::json!({ "code": status, "message": reason }))
    }
}

#[test]
fn a_server_may_render_the_gates_own_answers() {
    let gate = Gate::bind(config(), OwnShape).unwrap();
    let mut client = Client::connect(gate.local_addr());
    client.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (403, Some(403)));
    client.send("GET / HTTP/9.9\r\n\r\n");
    assert_eq!(client.answer().json()["code"], 400);
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let gate = open(config());
    let taken = GateConfig { address: gate.local_addr(), ..config() };
    match Gate::bind(taken, super::client::routes) {
        Err(GateError::AddressInUse { address }) => assert_eq!(address, gate.local_addr()),
        other => panic!("bound twice, or another error: {other:?}"),
    }
}
