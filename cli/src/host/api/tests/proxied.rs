//! The way through to a program. What the proxy itself does is tested beside it.

use std::net::{Ipv4Addr, SocketAddr};

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
