//! The server that the configuration asks for, and who is let in.

use std::net::{SocketAddr, TcpListener, TcpStream};

use hersh::http::{BearerToken, GateError};
use hersh::{ApiConfig, ApiError, Config, StartError, State, Watcher};

use crate::gate::client::{Answer, Client};

fn served_at(address: SocketAddr) -> Watcher {
    let api = Some(ApiConfig { address, ..ApiConfig::default() });
    let watcher = Watcher::builder().config(Config { api, ..Config::default() }).build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    watcher
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[test]
fn starting_opens_the_server_that_is_configured() {
    assert_eq!(Config::default().api, None, "a library opens no port unasked");
    let watcher = served_at(any_port());
    assert_eq!(watcher.api_address(), None, "not before the start");
    watcher.start().unwrap();
    let address = watcher.api_address().unwrap();
    assert_eq!(Client::connect(address).get("/watcher/status").status, 200);
    watcher.stop().unwrap();
    watcher.start().unwrap();
    assert_eq!(watcher.api_address(), Some(address), "it outlives a session");
    watcher.kill();
    drop(watcher);
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn a_start_without_its_port_is_none() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let watcher = served_at(taken.local_addr().unwrap());
    let error = watcher.start().unwrap_err();
    assert!(
        matches!(&error, StartError::Api(ApiError::Gate(GateError::AddressInUse { .. }))),
        "{error:?}"
    );
    assert!(error.to_string().contains("already in use"), "{error}");
    assert_eq!((watcher.state(), watcher.api_address()), (State::NotRun, None));
    drop(taken);
    watcher.start().unwrap();
    assert!(watcher.wait_for(State::Ready, None));
}

#[test]
fn a_server_that_is_there_already_is_kept() {
    let watcher = served_at(any_port());
    let address = watcher.start_api_server(any_port()).unwrap();
    watcher.start().unwrap();
    assert_eq!(watcher.api_address(), Some(address));
}

#[cfg(feature = "persist")]
#[test]
fn a_start_that_fails_otherwise_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.json");
    std::fs::write(&path, "not ours").unwrap();
    let config = Config {
        api: Some(ApiConfig { address: any_port(), ..ApiConfig::default() }),
        persist: Some(hersh::Persist::to(path)),
        ..Config::default()
    };
    let watcher = Watcher::builder().config(config).build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    assert!(matches!(watcher.start(), Err(StartError::Persist(_))));
    assert_eq!(watcher.api_address(), None);
}

/// Asks with the given line between the others of the head.
fn ask(client: &mut Client, path: &str, line: &str) -> Answer {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n"));
    client.answer()
}

#[test]
fn a_token_is_asked_for_everywhere_but_at_the_probes() {
    let watcher = Watcher::builder().build().unwrap();
    let token = BearerToken::new("open sesame");
    let config = ApiConfig { address: any_port(), token, ..ApiConfig::default() };
    let mut client = Client::connect(watcher.start_api_server_with(config).unwrap());
    for path in ["/watcher/status", "/watcher/vars", "/watcher/stop", "/metrics"] {
        let wrong = ["", "Authorization: Bearer open\r\n", "Authorization: Basic open sesame\r\n"];
        for line in wrong {
            let answer = ask(&mut client, path, line);
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (401, Some("Bearer")),
                "{path} {line}"
            );
            assert!(answer.json()["error"].is_string());
        }
    }
    let right = "Authorization: bearer open sesame\r\n";
    assert_eq!(ask(&mut client, "/watcher/status", right).status, 200);
    assert_eq!(ask(&mut client, "/watcher/stop", right).status, 405);
    assert_eq!(client.post("/watcher/stop", "{}").status, 401);
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/readyz").status, 503, "it does not run, which is another matter");
    assert_eq!(client.get("/nowhere").status, 404);
}
