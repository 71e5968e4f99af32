//! Who may.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

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

#[test]
fn damaged_requests_are_refused_and_nothing_else() {
    let served = Served::open();
    let id = served.create();
    let body = a_program().to_string();
    let whole = [
        format!(
            "POST /programs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Idempotency-Key: k\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!("GET /programs/{id}/logs?tail=5&follow=false HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("DELETE /programs/{id}?purge=maybe HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("POST /programs/{id}/watcher/message HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ];
    // The same damage each time: a bit, a byte or a piece, chosen by a small generator.
    let mut seed = 0x9e37_79b9_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for round in 0..600 {
        let mut request = whole[round % whole.len()].clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(request.len());
            match random(3) {
                0 => request[at] ^= 1 << random(8),
                1 => request[at] = u8::try_from(random(256)).unwrap(),
                _ => drop(request.drain(at..(at + random(20)).min(request.len()))),
            }
            if request.is_empty() {
                request.push(b'x');
            }
        }
        let mut stream = TcpStream::connect(served.gate.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The gate may have refused before it has read everything.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let server_error = status.starts_with("HTTP/1.1 5") || status.starts_with("HTTP/1.0 5");
        let allowed = ["501", "503", "505"].iter().any(|code| status.ends_with(code));
        assert!(!server_error || allowed, "{status} to {:?}", String::from_utf8_lossy(&request));
    }
    assert_eq!(served.ask("GET", "/healthz").status, 200);
}
