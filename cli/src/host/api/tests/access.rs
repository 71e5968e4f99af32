//! Who may.

use ureq::http::Request;

use super::{Served, a_program};
use crate::host::api::Rate;
use crate::host::auth::{ADMIN_TOKEN_FILE, Auth};

#[test]
fn without_the_token_nothing_is_told_and_with_it_all() {
    let tokens = tempfile::tempdir().unwrap();
    let served = Served::with(|config| config.auth = Auth::admin(tokens.path()).unwrap());
    let token = std::fs::read_to_string(tokens.path().join(ADMIN_TOKEN_FILE)).unwrap();
    let with = |path: &str, value: Option<&str>| {
        let mut request = Request::get(served.url(path));
        if let Some(value) = value {
            request = request.header("Authorization", value);
        }
        served.send(request.body(Vec::new()).unwrap())
    };
    for path in ["/programs", "/programs/x", "/programs/x/proxy/", "/nothing", "/programs/x/logs"] {
        let answer = with(path, None);
        answer.error(401, "Unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        with(path, Some("Bearer wrong")).error(403, "Forbidden");
        with(path, Some("Basic YWRtaW46YWRtaW4=")).error(403, "Forbidden");
        with(path, Some(&format!("Bearer {}x", token.trim()))).error(403, "Forbidden");
    }
    served.post("/programs", &a_program()).error(401, "Unauthorized");
    assert_eq!(with("/programs", Some(&format!("Bearer {}", token.trim()))).status, 200);
    assert_eq!(with("/healthz", None).status, 200);
}

#[test]
fn pages_of_other_origins_are_refused_whatever_they_send() {
    let served = Served::open();
    let id = served.create();
    let own = served.url("");
    let from = |origin: &str| {
        let request = Request::post(served.url(&format!("/programs/{id}/stop")));
        served.send(request.header("Origin", origin).body(Vec::new()).unwrap())
    };
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        from(origin).error(403, "Forbidden");
    }
    from(&own).error(409, "Conflict");
    let request = Request::get(served.url("/programs")).header("Host", "evil.example");
    served.send(request.body(Vec::new()).unwrap()).error(403, "Forbidden");
}

#[test]
fn rates_are_bounded_and_say_when_to_come_back() {
    let served = Served::with(|config| config.create_rate = Rate { burst: 2, per_second: 1 });
    served.create();
    served.create();
    let refused = served.post("/programs", &a_program());
    refused.error(429, "Too Many Requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
}
