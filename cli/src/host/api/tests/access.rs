//! Who may.

use serde_json::json;
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
        for wrong in
            ["Bearer wrong", "Basic YWRtaW46YWRtaW4=", &format!("Bearer {}x", token.trim())]
        {
            with(path, Some(wrong)).error(401, "Unauthorized");
        }
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

#[test]
fn a_secret_of_a_program_is_in_no_answer() {
    let served = Served::open();
    let mut body = a_program();
    body["env"] = json!({"API_KEY": "canary-7f3a"});
    let id = served.post("/programs", &body).body["program_id"].as_str().unwrap().to_owned();
    served.ask("POST", &format!("/programs/{id}/start"));
    served.until(&id, "Ready");
    for path in ["", "/logs", "/build-log", "/source", "/events"] {
        let answer = served.ask("GET", &format!("/programs/{id}{path}"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.to_string().contains("canary"), "{path}: {}", answer.body);
    }
    body["env"] = json!({"API_KEY": "canary\u{0}"});
    let refused = served.post("/programs", &body);
    assert!(!refused.error(400, "Bad Request").contains("canary"), "{}", refused.body);
}
