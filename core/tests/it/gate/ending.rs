//! A gate can always be closed, whatever its clients and its handlers do.

use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use hersh::http::{Gate, Request, Response};

use super::client::{Client, assert_serves, config, open};

/// Long enough that a test that waits for all of it fails by taking too long.
const AGES: Duration = Duration::from_secs(3600);

#[test]
fn resting_and_half_said_requests_do_not_hold_it_up() {
    let gate = open(config());
    let mut resting = Client::connect(gate.local_addr());
    assert_eq!(resting.get("/hello").status, 200);
    let mut silent = Client::connect(gate.local_addr());
    let mut begun = Client::connect(gate.local_addr());
    begun.send("GET /hel");
    assert!(gate.shutdown(AGES));
    for client in [&mut resting, &mut silent, &mut begun] {
        assert!(client.is_closed());
    }
    assert!(std::net::TcpStream::connect(gate.local_addr()).is_err(), "nobody listens");
    assert!(gate.shutdown(AGES), "a second time is nothing new");
}

/// A gate whose handler says that it was entered and then waits until the sender is used or gone.
fn waiting() -> (Gate, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, entries) = mpsc::channel();
    let (release, releases) = mpsc::channel::<()>();
    let releases = Mutex::new(releases);
    let handler = move |_: &mut Request<'_>| {
        entered.send(()).ok();
        releases.lock().unwrap().recv().ok();
        Response::text(200, "done")
    };
    (Gate::bind(config(), handler).unwrap(), entries, release)
}

#[test]
fn a_request_under_way_is_finished() {
    let (gate, entries, release) = waiting();
    let mut client = Client::connect(gate.local_addr());
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    entries.recv().unwrap();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| gate.shutdown(AGES));
        // Shutting down has begun once nobody listens.
        while std::net::TcpStream::connect(gate.local_addr()).is_ok() {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        assert!(ending.join().unwrap());
    });
    let answer = client.answer();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("done", Some("close")));
}

#[test]
fn a_handler_that_never_returns_is_left_behind() {
    let (gate, entries, release) = waiting();
    let mut client = Client::connect(gate.local_addr());
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    entries.recv().unwrap();
    assert!(!gate.shutdown(Duration::from_millis(20)), "not everything had ended");
    assert!(client.is_closed());
    drop(gate);
    drop(release);
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let gate = open(config());
    let mut client = Client::connect(gate.local_addr());
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().unwrap().status, 200);
    assert!(gate.shutdown(Duration::from_millis(20)), "the thread was freed by the cut");
}

#[test]
fn a_handler_may_close_its_own_gate() {
    let own = Arc::new(OnceLock::<Gate>::new());
    let inside = Arc::clone(&own);
    let handler = move |_: &mut Request<'_>| {
        let ended = inside.get().is_some_and(|gate| gate.shutdown(AGES));
        Response::text(200, ended.to_string())
    };
    let gate = Gate::bind(config(), handler).unwrap();
    let address = gate.local_addr();
    own.set(gate).unwrap();
    assert_eq!(Client::connect(address).get("/").text(), "true");
}

#[test]
fn a_dropped_gate_frees_its_port() {
    let gate = open(config());
    assert_serves(&gate);
    let address = gate.local_addr();
    drop(gate);
    let again = open(hersh::http::GateConfig { address, ..config() });
    assert_serves(&again);
}
