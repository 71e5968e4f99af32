//! What is refused, with which code, in which words.

use hersh::http::GateError;
use hersh::{ApiConfig, ApiError, Config, State, Watcher};

use crate::gate::client::{Answer, Client};

/// A watcher that has not been started, and its server.
fn resting() -> (Watcher, Client) {
    let watcher = Watcher::builder().build().unwrap();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    (watcher, Client::connect(address))
}

fn error(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "one key: {body}");
    (answer.status, body["error"].as_str().unwrap().to_owned())
}

#[test]
fn unknown_routes_and_methods() {
    let (_watcher, mut client) = resting();
    for path in ["/", "/watcher", "/watcher/statu", "/watcher/status/", "//watcher/status"] {
        assert_eq!(error(&client.get(path)).0, 404, "{path}");
    }
    let answer = client.post("/watcher/status", "{}");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    let answer = client.get("/watcher/message");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    for method in ["PUT", "PATCH", "POST"] {
        client.send(format!("{method} /watcher/status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.answer().status, 405, "{method}: no body could help it");
        client.send(format!("{method} /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.answer().status, 404, "{method}");
    }
    for method in ["DELETE", "PUT", "OPTIONS", "TRACE", "BREW"] {
        client.send(format!("{method} /watcher/stop HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[test]
fn messages_that_are_none() {
    let (_watcher, mut client) = resting();
    let mut post = |body: &str| error(&client.post("/watcher/message", body));
    let empty = (400, "message content cannot be empty".to_owned());
    assert_eq!(post(r#"{"content":""}"#), empty);
    assert_eq!(post("{}"), empty);
    assert_eq!(post(r#"{"content":1}"#), (400, "message content must be a string".to_owned()));
    assert_eq!(post("[]").0, 400);
    let (status, words) = post("{\"content\":");
    assert!(status == 400 && words.starts_with("the body is not JSON"), "{status} {words}");
}

#[test]
fn messages_in_the_wrong_wrapping() {
    let (watcher, _) = resting();
    let status = |headers: &str| {
        let mut client = Client::connect(watcher.api_address().unwrap());
        let post = "POST /watcher/message HTTP/1.1\r\nHost: localhost\r\n";
        client.send(format!("{post}{headers}\r\n\r\n"));
        error(&client.answer()).0
    };
    let json = "Content-Type: application/json";
    assert_eq!(status(json), 411);
    assert_eq!(status("Content-Length: 2"), 415);
    assert_eq!(status("Content-Length: 2\r\nContent-Type: text/plain"), 415);
    assert_eq!(status(&format!("{json}\r\nContent-Length: 1048577")), 413);
    assert_eq!(status(&format!("{json}\r\nContent-Length: 100000000000")), 413);
    assert_eq!(status(&format!("{json}\r\nContent-Length: -1")), 400);
}

#[test]
fn a_watcher_that_does_not_run_takes_no_messages() {
    let (_watcher, mut client) = resting();
    let (status, words) = error(&client.post("/watcher/message", r#"{"content":"hi"}"#));
    assert!(status == 503 && words.contains("NotRun"), "{status} {words}");
    let (status, words) = error(&client.post("/watcher/stop", "{}"));
    assert!(status == 503 && words.contains("NotRun"), "{status} {words}");
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let config = Config { signal_capacity: 2, ..Config::default() };
    let watcher = Watcher::builder().config(config).build().unwrap();
    let (entered, entries) = std::sync::mpsc::channel();
    let (release, releases) = std::sync::mpsc::channel::<()>();
    let managed = move |_: Option<&hersh::Message>, _: &hersh::Context| {
        entered.send(()).ok();
        releases.recv().ok();
        Ok(())
    };
    watcher.manage("wait", managed).unwrap();
    let mut client = Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap());
    watcher.start().unwrap();
    entries.recv().unwrap();
    let message = r#"{"content":"hi"}"#;
    assert_eq!(client.post("/watcher/message", message).status, 200);
    assert_eq!(client.post("/watcher/message", message).status, 200);
    let answer = client.post("/watcher/message", message);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(error(&answer).1.contains("2 messages wait"), "{answer:?}");
    drop(release);
}

#[test]
fn logs_that_do_not_exist() {
    let (_watcher, mut client) = resting();
    let (status, words) = error(&client.get("/watcher/logs?type=gossip"));
    assert!(status == 400 && words.contains("gossip"), "{status} {words}");
    assert_eq!(error(&client.get("/watcher/logs?limit=lots")).0, 400);
}

#[test]
fn names_that_nobody_gave_it() {
    let watcher = Watcher::builder().build().unwrap();
    let config = ApiConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        allowed_hosts: vec!["prices.example".to_owned()],
        ..ApiConfig::default()
    };
    let mut client = Client::connect(watcher.start_api_server_with(config).unwrap());
    for (host, expected) in [("prices.example", 200), ("evil.example", 403)] {
        client.send(format!("GET /watcher/status HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().status, expected);
    }
}

#[test]
fn a_server_that_cannot_start() {
    let watcher = Watcher::builder().build().unwrap();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    assert!(address.port() != 0 && watcher.api_address() == Some(address));
    let again = watcher.start_api_server("127.0.0.1:0");
    assert!(matches!(again, Err(ApiError::Started { address: at }) if at == address), "{again:?}");

    let other = Watcher::builder().build().unwrap();
    let taken = other.start_api_server(address).unwrap_err();
    assert!(matches!(taken, ApiError::Gate(GateError::AddressInUse { .. })), "{taken:?}");
    assert!(taken.to_string().contains("already in use"), "{taken}");
    assert!(matches!(other.start_api_server("nonsense"), Err(ApiError::Address { .. })));
    assert_eq!((other.api_address(), other.state()), (None, State::NotRun));

    watcher.stop_api_server();
    assert_eq!(other.start_api_server(address).unwrap(), address, "the port is free again");
}
