//! The server beside a watcher that misbehaves, and its life with the watcher.

use std::net::TcpStream;
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use hersh::{Config, Context, ManagedError, Message, State, Watcher};

use crate::gate::client::Client;

const ROUTES: [&str; 11] = [
    "/watcher/status",
    "/watcher/state",
    "/watcher/vars",
    "/watcher/watching",
    "/watcher/memoCache",
    "/watcher/varState",
    "/watcher/config",
    "/watcher/logs",
    "/watcher/signals",
    "/metrics",
    "/healthz",
];

/// A watcher whose managed function never returns, inside it; let go when the sender is dropped.
fn hanging() -> (Watcher, mpsc::Sender<()>) {
    let config = Config { default_timeout: Duration::from_millis(20), ..Config::default() };
    let watcher = Watcher::builder().config(config).build().unwrap();
    let (entered, entries) = mpsc::channel();
    let (release, releases) = mpsc::channel::<()>();
    let managed = move |_: Option<&Message>, ctx: &Context| -> Result<(), ManagedError> {
        ctx.set_value("inside", true);
        entered.send(()).ok();
        releases.recv().ok();
        Ok(())
    };
    watcher.manage("hang", managed).unwrap();
    watcher.start_api_server("127.0.0.1:0").unwrap();
    watcher.start().unwrap();
    entries.recv().unwrap();
    (watcher, release)
}

#[test]
fn everything_is_shown_while_the_function_hangs() {
    let (watcher, _release) = hanging();
    let mut client = Client::connect(watcher.api_address().unwrap());
    for path in ROUTES {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    let status = client.get("/watcher/status").json();
    assert_eq!(
        (status["state"].as_str(), status["isRunning"].as_bool()),
        (Some("InitRun"), Some(true))
    );
    assert_eq!(client.get("/watcher/varState").json()["contextValues"]["inside"], true);
    assert_eq!(client.post("/watcher/message", r#"{"content":"hi"}"#).status, 200);
    assert_eq!(client.get("/watcher/state").json()["queue"]["user"], 1);
}

#[test]
fn hostile_clients_and_a_hanging_function_stop_nobody() {
    let (watcher, _release) = hanging();
    let address = watcher.api_address().unwrap();
    let hostile = [
        "POST /watcher/message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 100000000000\r\n\r\n{",
        "GET /watcher/status HTTP/2.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /watcher/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
         Content-Length: 2\r\n\r\n{}",
        "POST /watcher/stop HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\
         Content-Type: application/json\r\n\r\n{}",
        "POST /watcher/message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /watcher/status HTTP/1.1\r\nHost: local",
        "GET /watcher/\0 HTTP/1.1\r\n\r\n",
        "POST /watcher/message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{",
    ];
    let mut kept = Vec::new();
    for _ in 0..10 {
        for bytes in hostile {
            let mut client = Client::connect(address);
            client.send(bytes);
            kept.push(client);
            assert_eq!(Client::connect(address).get("/watcher/status").status, 200);
        }
    }
    assert_eq!(watcher.state(), State::InitRun, "none of them steered it");
}

#[test]
fn killing_is_obeyed_and_shown_while_the_function_hangs() {
    let (watcher, _release) = hanging();
    let mut client = Client::connect(watcher.api_address().unwrap());
    watcher.kill();
    assert_eq!(client.get("/watcher/status").json()["state"], "Killed");
    assert_eq!(client.get("/healthz").status, 503);
    assert_eq!(client.post("/watcher/message", r#"{"content":"hi"}"#).status, 503);
}

#[test]
fn a_message_reaches_the_function() {
    let watcher = Watcher::builder().build().unwrap();
    let (heard, hearing) = mpsc::channel();
    let managed = move |message: Option<&Message>, _: &Context| {
        heard.send(message.map(|message| message.content().to_owned())).ok();
        Ok(())
    };
    watcher.manage("hear", managed).unwrap();
    watcher.start().unwrap();
    assert_eq!(hearing.recv().unwrap(), None);
    let mut client = Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap());
    client.post("/watcher/message", r#"{"content":"Grüße \"you\""}"#);
    assert_eq!(hearing.recv().unwrap().as_deref(), Some("Grüße \"you\""));
    client.post("/watcher/stop", "{}");
    assert_eq!(watcher.wait(None).map(|report| report.state), Some(State::Stopped));
}

#[test]
fn the_server_outlives_the_session_and_ends_with_the_last_handle() {
    let watcher = Watcher::builder().build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/watcher/status").json()["state"], "NotRun");
    watcher.start().unwrap();
    watcher.stop().unwrap();
    assert_eq!(client.get("/watcher/status").json()["state"], "Stopped");
    let again = watcher.clone();
    drop(watcher);
    assert_eq!(client.get("/watcher/status").status, 200);
    drop(again);
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn dropping_the_last_handle_kills_even_while_the_function_hangs() {
    let (watcher, release) = hanging();
    let weak = watcher.downgrade();
    let address = watcher.api_address().unwrap();
    drop(watcher);
    assert!(weak.upgrade().is_none() && TcpStream::connect(address).is_err());
    drop(release);
}

/// A value that is shown only when the test says so.
#[derive(Clone, PartialEq, Deserialize)]
struct Reluctant;

static BEING_SHOWN: Barrier = Barrier::new(2);
static MAY_BE_SHOWN: Barrier = Barrier::new(2);

impl Serialize for Reluctant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BEING_SHOWN.wait();
        MAY_BE_SHOWN.wait();
        serializer.serialize_str("shown")
    }
}

#[test]
fn a_request_that_holds_the_last_handle_is_answered_and_ends_the_server() {
    let watcher = Watcher::builder().build().unwrap();
    let managed = |_: Option<&Message>, ctx: &Context| {
        ctx.set_value("value", Reluctant);
        Ok(())
    };
    watcher.manage("set", managed).unwrap();
    watcher.start().unwrap();
    assert!(watcher.wait_for(State::Ready, None));
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let mut client = Client::connect(address);
    client.send("GET /watcher/varState HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BEING_SHOWN.wait();
    // Nothing that the watcher needs is locked meanwhile.
    watcher.send_message("hi").unwrap();
    assert_eq!(Client::connect(address).get("/watcher/status").status, 200);
    let weak = watcher.downgrade();
    drop(watcher);
    MAY_BE_SHOWN.wait();
    assert_eq!(client.answer().json()["contextValues"]["value"], "shown");
    assert!(client.is_closed() && weak.upgrade().is_none());
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}
