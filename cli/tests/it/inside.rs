//! The commands that look inside a program or a host, against a host that answers what a test wants.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use hersh::http::{Method, Request, Response};
use serde_json::json;

use crate::command::{ID, at, host};
use crate::run::run;

#[test]
fn the_files_of_a_program_are_listed_printed_and_written() {
    let (_gate, url) = host(|request| {
        assert_eq!(request.path(), format!("/programs/{ID}/source"));
        let body = json!({"program_id": ID, "files": {"Dockerfile": "FROM scratch\n"},
            "files_base64": {"app/bin": "f0VMRv8="}, "retrieved_at": "2026-01-01T00:00:00Z"});
        Response::json(200, &body)
    });
    let list = run(&mut at(&url, &["source", "counter"]));
    assert_eq!(list.out, "BYTES  FILE\n13     Dockerfile\n5      app/bin\n", "{}", list.err);
    let one = run(&mut at(&url, &["source", "counter", "Dockerfile"]));
    assert_eq!(one.out, "FROM scratch\n");
    let none = run(&mut at(&url, &["source", "counter", "gone"]));
    assert_eq!((none.code, none.out.as_str()), (4, ""), "{}", none.err);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    let written = run(&mut at(&url, &["source", "counter", "--out", to.to_str().unwrap()]));
    assert_eq!(written.code, 0, "{}", written.err);
    assert_eq!(std::fs::read(to.join("app/bin")).unwrap(), b"\x7fELF\xff");
}

#[test]
fn a_file_of_a_host_that_leads_out_of_the_folder_is_not_written() {
    let (_gate, url) = host(|_| {
        let body = json!({"program_id": ID, "files": {"../evil": "x", "good": "x"}});
        Response::json(200, &body)
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy");
    let ran = run(&mut at(&url, &["source", "counter", "--out", to.to_str().unwrap()]));
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(!dir.path().join("evil").exists() && !to.exists());
}

#[test]
fn what_happened_is_printed_and_followed() {
    let (_gate, url) = host(|request| {
        let after: i64 = match request.query().unwrap_or_default().split('&').next() {
            Some(after) => after.trim_start_matches("after=").parse().unwrap_or(0),
            None => 0,
        };
        let event = |seq: i64| {
            json!({"seq": seq, "at": "2026-01-01T00:00:00.000Z", "event": "BuildFinished",
                "detail": {"seconds": seq}, "from": "Building", "to": "Starting", "attempt": 1})
        };
        if request.query() == Some("follow=true") {
            let last: i64 = request.header("last-event-id").unwrap().parse().unwrap();
            // One more a stream, so that it has to be taken up again; the last says it is gone.
            let mut next = event(last + 1);
            next["to"] = if last == 4 { "Removed" } else { "Starting" }.into();
            let text = format!("id: {}\nevent: program\ndata: {next}\n\n", last + 1);
            return Response::stream(
                200,
                "text/event-stream",
                Box::new(std::io::Cursor::new(text)),
            );
        }
        let events = if after == 0 { vec![event(1), event(2)] } else { vec![event(after + 1)] };
        Response::json(200, &json!({"program_id": ID, "count": events.len(), "events": events}))
    });
    let ran = run(&mut at(&url, &["events", "counter"]));
    let line = "2026-01-01T00:00:00.000Z  BuildFinished         Building -> Starting  seconds=1\n";
    assert!(ran.out.starts_with(line), "{}{}", ran.out, ran.err);
    let json = run(&mut at(&url, &["events", "counter", "--json", "--after", "7"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["count"], &json["events"][0]["seq"]), (&1.into(), &8.into()));
    let mut lines = Lines::of(&url, &["events", "counter", "--follow", "--json"]);
    for seq in 1..=5 {
        assert_eq!(lines.json()["seq"], seq);
    }
    assert_eq!(lines.next(), "", "the program is gone");
}

#[test]
fn tickets_are_listed_shown_retried_and_cancelled() {
    let (_gate, url) = host(|request| {
        let ticket = |id: &str, status: &str| json!({"ticket_id": id, "kind": "reconcile", "status": status, "program_id": ID});
        let path = request.path().to_owned();
        match (request.method(), path.as_str()) {
            (Method::Get, "/tickets") => {
                // In two pages, the first of which says where the second begins.
                let first = !request.query().is_some_and(|query| query.contains("cursor="));
                let id = if first { "reconcile-a" } else { "health-b" };
                let next = first.then_some("page two");
                let tickets = [ticket(id, "pending")];
                Response::json(200, &json!({"tickets": tickets, "count": 1, "next": next}))
            }
            (Method::Post, "/tickets/reconcile-a/retry") => {
                Response::json(200, &ticket("reconcile-a", "pending"))
            }
            (Method::Post, "/tickets/health-b/cancel") => {
                Response::json(200, &ticket("health-b", "cancelled"))
            }
            (method, path) => panic!("{method} {path}"),
        }
    });
    let list = run(&mut at(&url, &["tickets", "list", "--program", "counter"]));
    assert_eq!(list.out.lines().count(), 3, "{}{}", list.out, list.err);
    let none = run(&mut at(&url, &["tickets", "list", "--status", "failed", "--json"]));
    assert!(none.out.contains("\"count\": 0"), "{}", none.out);
    let show = run(&mut at(&url, &["tickets", "show", "rec"]));
    assert!(show.out.contains("ticket:  reconcile-a\n"), "{}{}", show.out, show.err);
    let retry = run(&mut at(&url, &["tickets", "retry", "reconcile-a", "nobody"]));
    assert_eq!(retry.code, 4, "{}", retry.err);
    assert!(retry.err.contains("reconcile-a: pending\n"), "{}", retry.err);
    let cancel = run(&mut at(&url, &["tickets", "cancel", "health-b", "--json"]));
    let cancel: serde_json::Value = serde_json::from_str(&cancel.out).unwrap();
    assert_eq!(cancel[0]["status"], "cancelled");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let (_gate, url) = host(|request| {
        let about = json!({"token_id": "1f0a", "user_id": "ann", "name": "laptop",
            "scope": "read", "created_at": "2026-01-01T00:00:00Z"});
        let path = request.path().to_owned();
        match (request.method(), path.as_str()) {
            (Method::Post, "/tokens") => {
                let body: serde_json::Value =
                    serde_json::from_slice(&request.read_body().unwrap()).unwrap();
                assert_eq!(body, json!({"user_id": "ann", "name": "laptop", "scope": "read"}));
                let mut answer = about;
                answer["token"] = "s3cret".into();
                Response::json(201, &answer)
            }
            (Method::Get, "/tokens") => {
                Response::json(200, &json!({"tokens": [about], "count": 1}))
            }
            (Method::Delete, "/tokens/1f0a") => Response::json(
                200,
                &json!({"token_id": "1f0a", "state": "revoked", "message": "it lets nobody in"}),
            ),
            (method, path) => panic!("{method} {path}"),
        }
    });
    let args = ["token", "create", "--user", "ann", "--name", "laptop", "--scope", "read"];
    let created = run(&mut at(&url, &args));
    assert_eq!(created.out, "s3cret\n", "{}", created.err);
    assert!(created.err.contains("hersh token revoke 1f0a"), "{}", created.err);
    let list = run(&mut at(&url, &["token", "list"]));
    assert!(list.out.contains("1f0a") && !list.out.contains("s3cret"), "{}", list.out);
    let revoked = run(&mut at(&url, &["token", "revoke", "laptop"]));
    assert_eq!((revoked.code, revoked.err.as_str()), (0, "1f0a: it lets nobody in\n"));
    assert_eq!(run(&mut at(&url, &["token", "revoke", "2"])).code, 4);
}

// The watcher of a program, through a host: its state, and one event after which all is quiet.
fn watcher(request: &mut Request<'_>) -> Response {
    let path = request.path().to_owned();
    let what = path.strip_prefix(&format!("/programs/{ID}")).unwrap();
    match what {
        "" => Response::json(
            200,
            &json!({"program_id": ID, "build_id": "b", "user_id": "ann", "name": "counter",
                "state": "Ready", "proxy_url": "http://localhost:19001"}),
        ),
        "/watcher/state" => Response::json(
            200,
            &json!({"state": "Ready", "uptime": "1m5s", "executionCount": 12, "errorCount": 0,
                "crashCount": 0, "lastError": null}),
        ),
        "/watcher/varState" => {
            Response::json(200, &json!({"contextValues": {"answer": "added 40"}, "variables": {}}))
        }
        "/watcher/signals" => Response::json(200, &json!({"totalPending": 0, "recentSignals": []})),
        "/watcher/events" => {
            let data = json!({"createdAt": "2026-01-01T00:00:01Z", "text": "message 1"});
            let events = format!("id: 1\nevent: execution\ndata: {data}\n\n");
            if request.header("last-event-id").is_some() {
                return Response::text(503, "later");
            }
            Response::stream(200, "text/event-stream", Box::new(std::io::Cursor::new(events)))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_watcher_is_seen_in_lines_as_json_and_once() {
    let (_gate, url) = host(watcher);
    let once = run(&mut at(&url, &["watch", "counter", "--once"]));
    assert_eq!((once.code, once.err.as_str()), (0, ""));
    assert!(once.out.contains("\nVALUES\n  answer  added 40\n"), "{}", once.out);
    let mut lines = Lines::of(&url, &["watch", "counter"]);
    let two = [lines.next(), lines.next()];
    assert!(two.contains(&"answer = added 40\n".to_owned()), "{two:?}");
    assert!(two.contains(&"00:00:01  execution   message 1\n".to_owned()), "{two:?}");
    let mut lines = Lines::of(&url, &["watch", "counter", "--json"]);
    let two = [lines.json(), lines.json()];
    let of = |event: &str| two.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!(of("snapshot")["data"]["varState"]["contextValues"]["answer"], "added 40");
    assert_eq!(of("execution")["data"]["text"], "message 1");
    assert_eq!(of("execution")["program_id"], ID);
}

#[test]
fn a_watcher_that_is_away_is_5() {
    let (_gate, url) = host(|_| {
        let body = json!({"error": "Service Unavailable", "code": 503, "message": "not Ready"});
        Response::json(503, &body)
    });
    let ran = run(&mut at(&url, &["watch", "counter", "--once"]));
    assert_eq!(ran.code, 5, "{}", ran.err);
    assert!(ran.err.contains("does not answer"), "{}", ran.err);
}

/// A command that goes on, and its lines. Dropping it ends it.
struct Lines {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Lines {
    fn of(url: &str, args: &[&str]) -> Self {
        let mut child = at(url, args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    fn json(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.next()).unwrap()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
