//! The way through to a program. What the proxy itself does is tested beside it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hersh::Watcher;
use hersh::http::{Gate, GateConfig, Request, Response};
use serde_json::json;

use super::Served;

#[test]
fn a_program_that_is_not_ready_is_503_and_one_that_is_not_there_404() {
    let served = Served::open();
    let id = served.create();
    let answer = served.ask("GET", &format!("/programs/{id}/watcher/state"));
    assert!(answer.error(503, "Service Unavailable").contains("Created"));
    let gone = format!("{}00000000", &id[..id.len() - 8]);
    served.ask("GET", &format!("/programs/{gone}/proxy/")).error(404, "Not Found");
}

#[test]
fn a_ready_program_answers_under_both_names_or_is_502() {
    let served = Served::open();
    let id = served.ready();
    served.ask("GET", &format!("/programs/{id}/watcher/state")).error(502, "Bad Gateway");

    let port = served.host.get(&id.parse().unwrap()).unwrap().port.unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let config = GateConfig { address, ..GateConfig::default() };
    let _program = Gate::bind(config, |request: &mut Request<'_>| {
        let body = request.read_body().unwrap();
        let said = String::from_utf8(body).unwrap();
        Response::json(
            200,
            &json!({"path": request.path(), "query": request.query(), "said": said}),
        )
    })
    .unwrap();
    let answer = served.ask("GET", &format!("/programs/{id}/watcher/logs?type=all")).body;
    assert_eq!(answer, json!({"path": "/watcher/logs", "query": "type=all", "said": ""}));
    let answer = served.ask("GET", &format!("/programs/{id}/proxy/watcher/x")).body;
    assert_eq!(answer["path"], "/watcher/x");
    assert_eq!(served.ask("GET", &format!("/programs/{id}/proxy")).body["path"], "/");
    let message = json!({"content": "hi"});
    let answer = served.post(&format!("/programs/{id}/watcher/message"), &message).body;
    assert_eq!(answer["said"], message.to_string());
}

#[test]
fn a_real_watcher_is_followed_and_spoken_to_through_the_host() {
    let served = Served::open();
    let id = served.ready();
    let port = served.host.get(&id.parse().unwrap()).unwrap().port.unwrap();
    let watcher = Watcher::builder().name("proxied").build().unwrap();
    watcher.manage("listen", |_, _| Ok(())).unwrap();
    watcher.start_api_server((Ipv4Addr::LOCALHOST, port)).unwrap();
    watcher.start().unwrap();
    let state = served.ask("GET", &format!("/programs/{id}/watcher/state"));
    assert_eq!((state.status, &state.body["name"]), (200, &json!("proxied")));

    let mut stream = TcpStream::connect(served.gate.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let path = format!("/programs/{id}/watcher/events");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut seen = String::new();
    let begun = Instant::now();
    let mut read_until = |wanted: &str| {
        while !seen.contains(wanted) {
            // The stream says that it lives when nothing happens, so a read never fails.
            assert!(begun.elapsed() < Duration::from_secs(30), "no {wanted} in {seen}");
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "it ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    read_until("retry: 1000");
    let sent = served.post(&format!("/programs/{id}/watcher/message"), &json!({"content": "hi"}));
    assert_eq!(sent.body, json!({"status": "message sent"}));
    // It arrives while the stream goes on.
    read_until("\"phase\":\"began\"");
    read_until("\"phase\":\"ended\"");
    let again = served.ask("POST", &format!("/programs/{id}/watcher/stop"));
    assert_eq!(again.status, 415, "the program's own refusals pass as they are: {}", again.body);
}
