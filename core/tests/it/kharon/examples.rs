//! The examples do what they say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hersh::http::{Gate, GateConfig};
use hersh::kharon::{Settings, Status};

use super::{LONG, get, in_memory};

#[path = "../../../examples/tickets_basic.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod tickets_basic;
#[path = "../../../examples/tickets_periodic.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod tickets_periodic;

/// Sends one request, and returns the status and the whole answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn tickets_are_made_shown_cancelled_and_deleted_over_http() {
    let kharon = in_memory(Settings::default());
    let config = GateConfig { address: ([127, 0, 0, 1], 0).into(), ..GateConfig::default() };
    let gate = Gate::bind(config, tickets_basic::api(kharon.clone())).unwrap();
    let at = gate.local_addr();
    let ask = |method, path, body| ask(at, method, path, body);
    let one = r#"{"id":"one","type":"greet","payload":{"name":"Ann"}}"#;
    assert_eq!(ask("POST", "/tickets", one).0, 201);
    assert_eq!(ask("POST", "/tickets", one).0, 409, "the id exists");
    assert_eq!(ask("POST", "/tickets", r#"{"id":"one"}"#).0, 400);
    assert_eq!(ask("POST", "/tickets", r#"{"id":"two","type":"greet"}"#).0, 201);
    assert_eq!(ask("POST", "/tickets/two/cancel", "{}").0, 204);
    assert!(ask("GET", "/tickets/two", "").1.contains("\"status\":\"cancelled\""));
    assert_eq!(ask("POST", "/tickets/two/cancel", "{}").0, 409);
    assert_eq!(ask("DELETE", "/tickets/two", "").0, 204);
    assert_eq!(ask("GET", "/tickets/two", "").0, 404);
    assert_eq!(ask("DELETE", "/tickets/two", "").0, 404);

    let bell = std::sync::Arc::new(hersh::kharon::Bell::new());
    kharon.start(tickets_basic::router()).unwrap();
    while get(&kharon, "one").status == Status::Pending {
        bell.wait(bell.rings(), std::time::Duration::from_millis(1));
    }
    let (status, shown) = ask("GET", "/tickets/one", "");
    assert_eq!(status, 200);
    assert!(shown.contains("Hello Ann") && shown.contains("\"status\":\"done\""), "{shown}");
    kharon.stop(LONG);
    gate.shutdown(LONG);
}

#[test]
fn periodic_tickets_run_by_the_hour_and_by_the_calendar() {
    let ran = tickets_periodic::two_days().unwrap();
    let hours = |name: &str| -> Vec<u64> {
        ran.iter().filter(|(ran, _)| ran == name).map(|(_, hour)| *hour).collect()
    };
    assert_eq!(hours("backup"), [3, 29], "missed at 27, made up for when somebody was there");
    let expected: Vec<_> = (1..=24).chain(29..=48).collect();
    assert_eq!(hours("report"), expected);
}
