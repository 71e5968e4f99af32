//! The host itself: whether it lives, what it counts, what happens on it, and what it says of itself.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Served, a_program};

/// A client that follows events.
struct Follower(BufReader<TcpStream>);

impl Follower {
    fn open(served: &Served, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(served.gate.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n").unwrap();
        let mut follower = Self(BufReader::new(stream));
        assert!(follower.line().ends_with(" 200 OK"), "{path}");
        while !follower.line().is_empty() {}
        assert_eq!(follower.line(), "retry: 1000");
        follower
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event with data: its id, its name and its data.
    fn event(&mut self) -> (i64, String, Value) {
        let (mut id, mut name) = (0, String::new());
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", number)) => id = number.parse().unwrap(),
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("data", data)) => return (id, name, serde_json::from_str(data).unwrap()),
                _ => {}
            }
        }
    }

    /// The next event of this name.
    fn until(&mut self, name: &str) -> (i64, Value) {
        loop {
            let (id, kind, data) = self.event();
            assert_eq!(kind, "program", "{data}");
            assert_eq!(data["seq"], id);
            if data["event"] == name {
                return (id, data);
            }
        }
    }
}

#[test]
fn what_happens_is_told_as_it_happens_and_can_be_resumed() {
    let served = Served::open();
    let mut follower = Follower::open(&served, "/events", "");
    let id = served.ready();
    let (first, data) = follower.until("UserStartRequested");
    assert_eq!((&data["program_id"], &data["to"]), (&json!(id), &json!("Building")));
    let (_, data) = follower.until("RuntimeStarted");
    assert_eq!(data["to"], "Ready");
    drop(follower);

    served.ask("POST", &format!("/programs/{id}/stop"));
    served.until(&id, "Stopped");
    served.ask("DELETE", &format!("/programs/{id}"));
    let last = format!("Last-Event-ID: {first}\r\n");
    let mut follower = Follower::open(&served, "/events", &last);
    let mut expected = first;
    let gone = loop {
        let (seq, _, data) = follower.event();
        expected += 1;
        assert_eq!(seq, expected, "nothing is left out");
        if data["event"] == "RemoveFinished" {
            break data;
        }
    };
    assert_eq!((&gone["program_id"], &gone["to"]), (&json!(id), &json!("Removed")));
}

#[test]
fn a_user_hears_of_their_own_programs_alone() {
    let served = Served::guarded();
    let admin = served.admin.clone();
    let token = served.as_bearer(&admin, "POST", "/tokens", &json!({"user_id": "ann"})).body;
    let token = token["token"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut follower = Follower::open(&served, "/events", &bearer);
    for user in ["bob", "ann"] {
        let mut body = a_program();
        body["user_id"] = json!(user);
        let id = served.as_bearer(&admin, "POST", "/programs", &body).body["program_id"].clone();
        let path = format!("/programs/{}/start", id.as_str().unwrap());
        assert_eq!(served.as_bearer(&admin, "POST", &path, &Value::Null).status, 200);
    }
    let (_, _, data) = follower.event();
    assert!(data["program_id"].as_str().unwrap().starts_with("ann-"), "{data}");
}

#[test]
fn one_program_can_be_followed_by_itself() {
    let served = Served::open();
    let (other, id) = (served.create(), served.create());
    let path = format!("/programs/{id}/events?follow=true");
    let mut follower = Follower::open(&served, &path, "");
    served.ask("POST", &format!("/programs/{other}/start"));
    served.ask("POST", &format!("/programs/{id}/start"));
    let (_, _, data) = follower.event();
    assert_eq!(data["program_id"], json!(id));
    let both = served.ask("GET", &format!("/programs/{id}/events?follow=true&after=3"));
    assert!(both.error(400, "Bad Request").contains("Last-Event-ID"));
}

#[test]
fn a_place_that_nobody_knows_is_told_as_a_gap() {
    let served = Served::open();
    served.ready();
    let mut follower = Follower::open(&served, "/events", "Last-Event-ID: 4000\r\n");
    let (_, name, data) = follower.event();
    assert_eq!((name.as_str(), data), ("lost", json!({"missed": null})));
    follower.until("UserStartRequested");
    for wrong in ["-1", "x", "99999999999999999999"] {
        let request = ureq::http::Request::get(served.url("/events"));
        let request = request.header("Last-Event-ID", wrong).body(Vec::new()).unwrap();
        served.send(request).error(400, "Bad Request");
    }
}

#[test]
fn a_follower_does_not_keep_the_gate_from_ending() {
    let served = Served::open();
    let _follower = Follower::open(&served, "/events", "");
    assert!(served.gate.shutdown(Duration::from_secs(20)), "a thread of the gate is stuck");
}

#[test]
fn what_is_counted_is_told_in_figures() {
    let served = Served::open();
    let id = served.ready();
    served.create();
    served.ask("GET", "/nothing");
    let page = served.ask("GET", "/metrics");
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = page.body.as_str().unwrap();
    for line in [
        "hersh_host_programs{state=\"Ready\"} 1",
        "hersh_host_programs{state=\"Created\"} 1",
        "hersh_host_programs{state=\"Error\"} 0",
        "hersh_host_engine_up 1",
        "hersh_host_restarts_total 0",
        "hersh_host_builds_total{outcome=\"built\"} 1",
        "hersh_host_build_seconds_count 1",
        "hersh_host_api_requests_total{method=\"GET\",code=\"404\"} 1",
        "hersh_host_api_requests_total{method=\"POST\",code=\"201\"} 2",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\n{text}");
    }
    assert!(text.contains("kharon_tickets{status=\"pending\"}"), "{text}");
    assert!(!text.contains(&id), "figures name no program: there may be thousands");
}

#[test]
fn figures_and_the_whole_are_not_for_a_user_of_some_of_it() {
    let served = Served::guarded();
    let admin = served.admin.clone();
    let make = |body: Value| {
        let made = served.as_bearer(&admin, "POST", "/tokens", &body);
        made.body["token"].as_str().unwrap().to_owned()
    };
    let (user, monitor) = (make(json!({"user_id": "ann"})), make(json!({"scope": "monitor"})));
    let ask = |token: &str| served.as_bearer(token, "GET", "/metrics", &Value::Null);
    ask(&user).error(403, "Forbidden");
    assert_eq!(ask(&monitor).status, 200);
    assert_eq!(served.ask("GET", "/readyz").status, 200, "probes carry no token");
    served.ask("GET", "/openapi.json").error(401, "Unauthorized");
}

#[test]
fn a_host_whose_engine_does_not_answer_is_not_ready() {
    let served = Served::open();
    // With something to look after, the engine is asked often.
    served.ready();
    assert_eq!(served.ask("GET", "/readyz").body, json!({"status": "ready"}));
    served.engine.fail("list", "Cannot connect to the Docker daemon");
    let started = std::time::Instant::now();
    while served.ask("GET", "/readyz").status == 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "it goes on saying ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_document_names_every_route_that_answers() {
    let served = Served::open();
    let document = served.ask("GET", "/openapi.json").body;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, method) in [
        ("/programs", "post"),
        ("/programs/{program_id}", "delete"),
        ("/tokens/{token_id}", "delete"),
        ("/tickets/{ticket_id}/retry", "post"),
        ("/programs/{program_id}/watcher/{path}", "get"),
        ("/metrics", "get"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
}
