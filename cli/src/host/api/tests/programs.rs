//! What can be done with programs, in the bodies that the first system's clients send and read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use ureq::http::Request;

use super::{Served, a_program};

#[test]
fn a_life_by_plain_requests() {
    let served = Served::open();
    let created = served.post("/programs", &a_program());
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.body["state"], "Created");
    assert!(created.body["proxy_url"].as_str().unwrap().starts_with("http://localhost:"));
    for field in ["program_id", "build_id", "created_at"] {
        assert!(created.body[field].is_string(), "{field}: {}", created.body);
    }
    let id = created.body["program_id"].as_str().unwrap();
    let path = format!("/programs/{id}");

    let started = served.ask("POST", &format!("{path}/start"));
    let wanted = json!({
        "program_id": id, "state": "starting", "message": "program start initiated",
    });
    assert_eq!((started.status, &started.body), (200, &wanted));
    let ready = served.until(id, "Ready");
    for field in [
        "program_id",
        "build_id",
        "user_id",
        "state",
        "image_id",
        "container_id",
        "proxy_url",
        "error_msg",
        "created_at",
        "updated_at",
        "name",
        "desired",
        "attempt",
        "restarts",
        "limits",
    ] {
        assert!(ready.get(field).is_some(), "{field} is not in {ready}");
    }
    assert_eq!((&ready["attempt"], &ready["desired"]), (&json!(1), &json!("Ready")));

    let again = served.ask("POST", &format!("{path}/start"));
    assert!(again.error(409, "Conflict").contains("already running"));
    assert_eq!(served.ask("POST", &format!("{path}/restart")).body["state"], "restarting");
    let list = served.ask("GET", "/programs?user=ann&limit=5");
    assert_eq!(
        (&list.body["count"], &list.body["programs"][0]["program_id"]),
        (&json!(1), &json!(id))
    );
    assert_eq!(served.ask("GET", "/programs?user=bob").body["count"], 0);

    served.until(id, "Ready");
    assert_eq!(served.ask("POST", &format!("{path}/stop")).body["state"], "Stopping");
    served.until(id, "Stopped");
    assert_eq!(served.ask("DELETE", &path).status, 200);
    assert!(served.ask("GET", &path).error(404, "Not Found").contains(id));
    assert_eq!((served.engine.running(), served.engine.image_count()), (0, 0));
}

#[test]
fn requests_that_ask_for_too_much_or_nonsense_are_refused_by_name() {
    let served = Served::open();
    let with = |field: &str, value: serde_json::Value| {
        let mut body = a_program();
        body[field] = value;
        served.post("/programs", &body)
    };
    let cases = [
        ("colour", json!("red"), "unknown field `colour`"),
        ("limits", json!({"gpu": 1}), "unknown field `gpu`"),
        ("limits", json!({"state_bytes": 1}), "limits.state_bytes cannot be enforced"),
        ("user_id", json!("../x"), "user_id"),
        ("name", json!("--privileged"), "name"),
        ("restart", json!("often"), "unknown variant `often`"),
        ("network", json!("host"), "unknown variant `host`"),
        ("src_files_base64", json!({"b": "%"}), "\"b\" is not base64"),
        ("src_files_base64", json!({"a/b.txt": ""}), "both src_files and src_files_base64"),
        ("dockerfile", json!(3), "invalid type"),
    ];
    for (field, value, words) in cases {
        let answer = with(field, value);
        let message = answer.error(400, "Bad Request");
        assert!(message.contains(words), "{field}: {message}");
    }
    assert_eq!(served.ask("GET", "/programs").body["count"], 0);
    let id = served.create();
    let body = served.post(&format!("/programs/{id}/start"), &json!({"force": true}));
    assert!(body.error(400, "Bad Request").contains("unknown field `force`"));
    assert_eq!(served.post(&format!("/programs/{id}/start"), &json!({})).status, 200);
    let query = served.post("/programs?colour=red", &a_program());
    assert!(query.error(400, "Bad Request").contains("unknown parameter `colour`"));
    let query = served.ask("GET", "/programs?colour=red");
    assert!(query.error(400, "Bad Request").contains("unknown parameter `colour`"));
    served.ask("GET", "/programs?state=Flying").error(400, "Bad Request");
    served.ask("GET", &format!("/programs/{id}/logs?tail=0")).error(400, "Bad Request");
    served.ask("GET", "/programs?limit=0").error(400, "Bad Request");
    served.ask("GET", "/programs?limit=1001").error(400, "Bad Request");
}

#[test]
fn a_file_name_that_climbs_is_refused_and_nothing_is_written() {
    let served = Served::open();
    let names = ["../../x", "/etc/passwd", "a/../../x", "a\\b", "a\u{0}b", "", &"a".repeat(600)];
    for name in names {
        for field in ["src_files", "src_files_base64"] {
            let mut body = a_program();
            body[field] = json!({ name: "eA==" });
            served.post("/programs", &body).error(400, "Bad Request");
        }
    }
    let programs = served.dir.path().join("data/programs");
    let left = std::fs::read_dir(programs).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing of a refused program is on disk");
    assert!(!served.dir.path().join("x").exists());
    assert_eq!(served.ask("GET", "/programs").body["count"], 0);
}

#[test]
fn files_arrive_as_they_were_sent() {
    let served = Served::open();
    let mut body = a_program();
    body["src_files_base64"] = json!({"bin": "f0VMRv8="});
    let id = served.post("/programs", &body).body["program_id"].as_str().unwrap().to_owned();
    let source = served.ask("GET", &format!("/programs/{id}/source")).body;
    assert_eq!(source["files"]["a/b.txt"], "x");
    assert_eq!(source["files"]["Dockerfile"], "FROM scratch\n");
    assert_eq!(source["files_base64"]["bin"], "f0VMRv8=");
    assert!(source["retrieved_at"].is_string());
}

#[test]
fn pages_follow_one_another() {
    let served = Served::open();
    let mut ids: Vec<_> = (0..5).map(|_| served.create()).collect();
    ids.sort();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.ask("GET", &format!("/programs?limit=2{cursor}")).body;
        for program in page["programs"].as_array().unwrap() {
            seen.push(program["program_id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        assert!(seen.len() <= ids.len(), "the pages do not end");
    }
    assert_eq!(seen, ids);
}

#[test]
fn logs_and_history_are_told_and_followed_to_their_end() {
    let served = Served::open();
    let id = served.ready();
    let logs = served.ask("GET", &format!("/programs/{id}/logs?tail=5")).body;
    assert_eq!((&logs["program_id"], &logs["logs"]), (&json!(id), &json!("attempt 1 is up\n")));
    let followed = served.ask("GET", &format!("/programs/{id}/logs?follow=true"));
    assert_eq!(followed.body, "attempt 1 is up\n");
    assert!(followed.header("content-type").starts_with("text/plain"));
    let build = served.ask("GET", &format!("/programs/{id}/build-log")).body;
    assert_eq!(
        (&build["attempt"], &build["log"]),
        (&json!(1), &json!(format!("building {id}\nbuilt\n")))
    );
    let events = served.ask("GET", &format!("/programs/{id}/events?limit=100")).body;
    assert_eq!(events["events"][0]["event"], "UserStartRequested", "{events}");
    assert!(events["count"].as_u64().unwrap() >= 3, "{events}");
}

/// A program whose build has been held, and a follower of that build.
fn follower(served: &Served) -> (String, TcpStream) {
    let id = served.create();
    served.engine.hold("build");
    served.ask("POST", &format!("/programs/{id}/start"));
    let mut stream = TcpStream::connect(served.gate.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let path = format!("/programs/{id}/build-log?follow=true");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    (id, stream)
}

#[test]
fn a_build_log_is_followed_while_the_build_runs() {
    let served = Served::open();
    let (id, mut stream) = follower(&served);
    let mut seen = String::new();
    while !seen.contains(&format!("building {id}\n")) {
        let mut piece = [0; 256];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it ended before the build did: {seen}");
        seen.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    assert!(!seen.contains("built"), "{seen}");
    served.engine.release("build");
    stream.read_to_string(&mut seen).unwrap();
    assert!(seen.contains("built\n") && seen.ends_with("0\r\n\r\n"), "{seen}");
}

#[test]
fn a_follower_of_a_quiet_build_does_not_keep_the_gate_from_ending() {
    let served = Served::open();
    let (_, mut stream) = follower(&served);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
    assert!(served.gate.shutdown(Duration::from_secs(20)), "a thread of the gate is stuck");
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let served = Served::open();
    let id = served.create();
    served.ask("GET", "/nothing").error(404, "Not Found");
    served.ask("GET", "/programs/").error(404, "Not Found");
    served.ask("GET", "/programs/no-such-id").error(404, "Not Found");
    served.ask("POST", &format!("/programs/{id}/explode")).error(404, "Not Found");
    let answer = served.ask("PUT", &format!("/programs/{id}"));
    answer.error(405, "Method Not Allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, DELETE");
    served.ask("GET", &format!("/programs/{id}/start")).error(405, "Method Not Allowed");
    let text = Request::post(served.url("/programs")).header("Content-Type", "text/plain");
    served.send(text.body(b"{}".to_vec()).unwrap()).error(415, "Unsupported Media Type");
    assert_eq!(served.ask("GET", "/healthz").body, json!({"status": "ok"}));
}
