//! Commands against a host that answers what a test wants: errors, exit codes, streams.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use hersh::http::{Gate, GateConfig, Method, Request, Response};

use crate::run::{hersh, run, run_with_input};

pub(crate) const ID: &str = "ann-build-0123456789ab-00000001";

/// A host of one program, `counter`, that answers everything else with `answer`.
pub(crate) fn host(
    answer: impl Fn(&mut Request<'_>) -> Response + Send + Sync + 'static,
) -> (Gate, String) {
    let config = GateConfig { address: "127.0.0.1:0".parse().unwrap(), ..GateConfig::default() };
    let handler = move |request: &mut Request<'_>| {
        if *request.method() == Method::Get && request.path() == "/programs" {
            let program = serde_json::json!({
                "program_id": ID, "build_id": "build-0123456789ab", "user_id": "ann",
                "state": "Ready", "name": "counter", "attempt": 1,
                "proxy_url": "http://localhost:19001", "created_at": "2026-01-01T00:00:00Z",
            });
            return Response::json(200, &serde_json::json!({"programs": [program], "count": 1}));
        }
        answer(request)
    };
    let gate = Gate::bind(config, handler).unwrap();
    let url = format!("http://{}", gate.local_addr());
    (gate, url)
}

fn refusal(code: u16) -> (Gate, String) {
    host(move |_| {
        let message = format!("this is {code}");
        let body = serde_json::json!({"error": "Word", "code": code, "message": message});
        Response::json(code, &body)
    })
}

pub(crate) fn at(url: &str, args: &[&str]) -> Command {
    let mut command = hersh(args);
    command.env("HERSH_HOST", url);
    command
}

#[test]
fn no_host_is_3_and_says_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = run(&mut at(&url, &["ps"]));
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let wanted = format!(
        "error: no host answers at {url}: connection refused\n  \
         start one with `hersh host`, or name another with --host or HERSH_HOST\n"
    );
    assert_eq!(ran.err, wanted);
}

#[test]
fn what_is_no_host_is_3() {
    let config = GateConfig { address: "127.0.0.1:0".parse().unwrap(), ..GateConfig::default() };
    let gate = Gate::bind(config, |_: &mut Request<'_>| Response::text(200, "hello")).unwrap();
    let ran = run(&mut at(&format!("http://{}", gate.local_addr()), &["ps"]));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("is not a hersh host"), "{}", ran.err);
}

#[test]
fn refusals_have_their_exit_codes_and_the_hosts_words() {
    for (status, code) in [(400, 2), (401, 7), (403, 7), (404, 4), (409, 5), (500, 1), (504, 6)] {
        let (_gate, url) = refusal(status);
        let ran = run(&mut at(&url, &["start", "counter"]));
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{status}");
        assert!(ran.err.starts_with(&format!("error: this is {status}\n")), "{}", ran.err);
    }
}

#[test]
fn several_names_are_tried_each() {
    let (_gate, url) = host(|request| {
        assert_eq!(request.path(), format!("/programs/{ID}"));
        let body = serde_json::json!({"program_id": ID, "state": "deleted", "message": "removed"});
        Response::json(200, &body)
    });
    let ran = run(&mut at(&url, &["rm", "nobody", "count", "x\u{1b}[2J"]));
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("error: no program is called `nobody`\n"), "{}", ran.err);
    assert!(ran.err.contains("counter: removed\n"), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
}

#[test]
fn a_list_as_a_table_and_as_json() {
    let (_gate, url) = refusal(500);
    let table = run(&mut at(&url, &["ps"]));
    assert_eq!((table.code, table.err.as_str()), (0, ""));
    assert!(table.out.starts_with("NAME     STATE  AGE"), "{}", table.out);
    let json = run(&mut at(&url, &["ps", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["count"], &json["programs"][0]["name"]), (&1.into(), &"counter".into()));
}

#[test]
fn a_message_is_sent_as_it_was_typed_or_read() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let (_gate, url) = host(move |request| {
        assert_eq!(request.path(), format!("/programs/{ID}/watcher/message"));
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        let body: serde_json::Value =
            serde_json::from_slice(&request.read_body().unwrap()).unwrap();
        seen.lock().unwrap().push(body["content"].as_str().unwrap().to_owned());
        Response::json(200, &serde_json::json!({"status": "message sent"}))
    });
    let mut command = at(&url, &["send", "counter", "--help me"]);
    let ran = run(command.env("HERSH_TOKEN", "t0ken"));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let mut command = at(&url, &["send", "--json", "counter", "-"]);
    let ran = run_with_input(command.env("HERSH_TOKEN", "t0ken"), "zwölf\n".as_bytes());
    assert!(ran.out.contains("message sent"), "{}{}", ran.out, ran.err);
    let ran = run_with_input(&mut at(&url, &["send", "counter", "-"]), b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_eq!(*sent.lock().unwrap(), ["--help me", "zwölf\n"]);
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (_gate, url) = host(|_| {
        Response::stream(200, "text/plain", Box::new(std::io::repeat(b'\n').take(64 << 20)))
    });
    let mut child = at(&url, &["logs", "--follow", "counter"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "\n");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}

#[test]
fn a_log_is_passed_on_as_it_is() {
    let (_gate, url) = host(|request| {
        assert_eq!(request.query(), Some("tail=2"));
        let logs = "a\u{1b}[31m\nb\n";
        Response::json(200, &serde_json::json!({"program_id": ID, "logs": logs}))
    });
    let ran = run(&mut at(&url, &["logs", "--tail", "2", "counter"]));
    assert_eq!((ran.code, ran.out.as_str()), (0, "a\u{1b}[31m\nb\n"), "{}", ran.err);
}

#[test]
fn the_token_of_this_machine_is_found_and_another_machine_is_not_shown_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.token"), "f0und\n").unwrap();
    let (_gate, url) = host(|request| {
        let code = if request.header("authorization") == Some("Bearer f0und") { 404 } else { 401 };
        let body = serde_json::json!({"error": "Word", "code": code, "message": "no"});
        Response::json(code, &body)
    });
    let mut command = at(&url, &["stop", "--detach", "counter"]);
    assert_eq!(run(command.env("HERSH_DATA_DIR", dir.path())).code, 4);
    assert_eq!(run(&mut at(&url, &["stop", "--detach", "counter"])).code, 7);
}

#[test]
fn a_stop_is_waited_for() {
    let looks = Arc::new(Mutex::new(0));
    let (_gate, url) = host(move |request| {
        if *request.method() == Method::Post {
            let body =
                serde_json::json!({"program_id": ID, "state": "Stopping", "message": "initiated"});
            return Response::json(200, &body);
        }
        let mut looks = looks.lock().unwrap();
        *looks += 1;
        let state = if *looks < 3 { "Stopping" } else { "Stopped" };
        let body = serde_json::json!({"program_id": ID, "build_id": "b", "user_id": "ann",
            "name": "counter", "state": state});
        Response::json(200, &body)
    });
    let ran = run(&mut at(&url, &["stop", "counter"]));
    assert_eq!((ran.code, ran.err.as_str()), (0, "counter: Stopped\n"));
}

#[test]
fn a_deploy_that_does_not_come_up_says_why() {
    let started = AtomicBool::new(false);
    let (_gate, url) = host(move |request| {
        let answer = |state: &str, attempt| {
            serde_json::json!({"program_id": ID, "build_id": "b", "user_id": "ann",
                "name": "counter", "state": state, "attempt": attempt, "created_at": "",
                "error_msg": "the build failed: no such file", "proxy_url": "",
                "message": "program start initiated"})
        };
        let path = request.path().to_owned();
        match (request.method(), path.rsplit('/').next().unwrap()) {
            (Method::Post, "programs") => {
                assert!(request.header("idempotency-key").is_some_and(|key| key.len() == 32));
                let body: serde_json::Value =
                    serde_json::from_slice(&request.read_body().unwrap()).unwrap();
                assert_eq!(body["src_files"]["a.txt"], "a");
                assert_eq!(body["env"]["KEY"], "value");
                assert_eq!(body["limits"]["milli_cpus"], 500);
                assert_eq!(body["network"], "none");
                let health = serde_json::json!({"path": "/up", "ready_timeout_ms": 5000});
                assert_eq!(body["health"], health);
                Response::json(201, &answer("Created", 0))
            }
            (Method::Get, "build-log") => Response::text(200, "step 1\nstep 2\n"),
            (Method::Post, "start") => {
                started.store(true, Ordering::SeqCst);
                Response::json(200, &answer("starting", 1))
            }
            _ if started.load(Ordering::SeqCst) => Response::json(200, &answer("Error", 1)),
            _ => Response::json(200, &answer("Created", 0)),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    std::fs::write(dir.path().join("a.txt"), "a").unwrap();
    let dir = dir.path().to_str().unwrap();
    let args = ["deploy", dir, "--env", "KEY=value", "--cpus", "0.5", "--timeout", "30"];
    let more = ["--network", "none", "--health", "/up", "--ready-timeout", "5"];
    let ran = run(&mut at(&url, &[&args[..], &more].concat()));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("the build failed: no such file"), "{}", ran.err);
    assert!(ran.err.starts_with("step 1\nstep 2\n"), "{}", ran.err);
    assert!(ran.err.contains("hersh logs --build counter"), "{}", ran.err);
}

#[test]
fn a_slow_stop_times_out_with_6() {
    let (_gate, url) = host(|request| {
        let state = if *request.method() == Method::Post { "Stopping" } else { "Ready" };
        let body = serde_json::json!({"program_id": ID, "build_id": "b", "user_id": "ann",
            "name": "counter", "state": state, "message": "m"});
        Response::json(200, &body)
    });
    let ran = run(&mut at(&url, &["stop", "--timeout", "0", "counter"]));
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("still Ready after 0 seconds"), "{}", ran.err);
}

#[test]
fn ctrl_c_leaves_a_deploy_to_itself_and_says_how_to_come_back() {
    let (_gate, url) = host(|request| {
        let body = serde_json::json!({"program_id": ID, "build_id": "b", "user_id": "ann",
            "name": "counter", "state": "Building", "created_at": "", "proxy_url": "",
            "message": "m"});
        match request.path().rsplit('/').next() {
            Some("build-log") => Response::text(200, "step 1\n"),
            _ => Response::json(200, &body),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let mut child = at(&url, &["deploy", dir.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert_eq!(line, "step 1\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("hersh show counter"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_before_the_host_has_everything_leaves_nothing() {
    // Takes a connection, and reads nothing from it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    std::fs::write(dir.path().join("large"), vec![b'x'; 40 << 20]).unwrap();
    let child = at(&url, &["deploy", dir.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // Now it can go on sending, and notices; how the connection ends is its own affair.
    let _ = std::io::copy(&mut connection, &mut std::io::sink());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("nothing was deployed"), "{said}");
}

#[test]
fn a_deploy_on_a_name_that_is_taken_takes_over_or_leaves_all_as_it_was() {
    for (state, code, words) in [
        ("Ready", 0, "counter is Ready\n"),
        ("Error", 1, "\nwhat was deployed before is as it was\n"),
    ] {
        let started = AtomicBool::new(false);
        let (_gate, url) = host(move |request| {
            let mut body = serde_json::json!({"program_id": ID, "build_id": "b", "user_id": "ann",
                "state": "Starting", "attempt": 0, "created_at": "", "proxy_url": "http://there",
                "replaces": "ann-build-0123456789ab-00000000", "message": "m"});
            if request.path().ends_with("/start") {
                started.store(true, Ordering::SeqCst);
            } else if started.load(Ordering::SeqCst) {
                body["state"] = state.into();
                body["attempt"] = 1.into();
                if state == "Ready" {
                    body["name"] = "counter".into();
                    body["replaces"] = serde_json::Value::Null;
                }
            }
            match request.path().rsplit('/').next() {
                Some("build-log") => Response::text(200, "step 1\n"),
                _ => Response::json(200, &body),
            }
        });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        let ran =
            run(&mut at(&url, &["deploy", dir.path().to_str().unwrap(), "--name", "counter"]));
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(ran.err.starts_with("counter runs already; "), "{}", ran.err);
        assert!(ran.err.contains(words), "{}", ran.err);
        assert_eq!(ran.out, if code == 0 { "counter http://there\n" } else { "" });
    }
}
