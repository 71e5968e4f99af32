//! Every body, exactly: a simulated watcher, whose clock stands still while it is asked.

use std::time::Duration;

use hersh::sim::Simulation;
use hersh::{ApiConfig, ManagedError, Watcher};
use serde_json::{Value as Json, json};

use crate::gate::client::Client;

/// A watcher with something of everything, 330.1 s after its start.
pub(super) fn rich() -> (Simulation, Watcher) {
    let sim = Simulation::new(1);
    let env = [("PAIR", "BTC/EUR"), ("API_KEY", "canary"), ("DB", "postgres://me:canary@db/x")];
    let builder = sim.builder().name("prices").envs(env);
    let watcher = builder.build().unwrap();
    let managed = |message: Option<&hersh::Message>, ctx: &hersh::Context| {
        let every = Duration::from_secs(60);
        ctx.watch_call("price", every, || Ok::<_, std::io::Error>(21_u32))?;
        ctx.watch_call("flaky", every, || Err::<u32, _>("no network"))?;
        ctx.watch_tick("later", Duration::from_secs(1000))?;
        ctx.memo("plain", || 7_u32)?;
        ctx.memo("odd", || Some(('a', 1.5)))?;
        ctx.set_value("count", ctx.get_value::<u64>("count")?.unwrap_or(0) + 1);
        ctx.log("ran");
        match message.map(hersh::Message::content) {
            Some("fail") => Err(ManagedError::from("a normal error")),
            _ => Ok(()),
        }
    };
    watcher.manage("look at prices", managed).unwrap();
    watcher.start().unwrap();
    sim.advance(Duration::from_secs(300));
    watcher.send_message("fail").unwrap();
    sim.advance(Duration::from_millis(30_100));
    (sim, watcher)
}

fn get(watcher: &Watcher, path: &str) -> Json {
    let start = || watcher.start_api_server("127.0.0.1:0").unwrap();
    let address = watcher.api_address().unwrap_or_else(start);
    let answer = Client::connect(address).get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

const NOW: &str = "2025-01-01T00:05:30.100Z";

#[test]
fn status() {
    let (_sim, watcher) = rich();
    assert_eq!(
        get(&watcher, "/watcher/status"),
        json!({
            "state": "Ready",
            "isRunning": true,
            "watcherID": watcher.id(),
            "uptime": "5m30.1s",
            "lastUpdate": "2025-01-01T00:05:00.000Z",
        })
    );
}

#[test]
fn state() {
    let (_sim, watcher) = rich();
    let stats = watcher.stats();
    let polls_that_failed = stats.counters.watch_errors;
    assert!(polls_that_failed > 0);
    assert_eq!(
        get(&watcher, "/watcher/state"),
        json!({
            "state": "Ready",
            "isRunning": true,
            "watcherID": watcher.id(),
            "uptime": "5m30.1s",
            "lastUpdate": "2025-01-01T00:05:00.000Z",
            "name": "prices",
            "managed": "look at prices",
            "executionCount": stats.counters.executions,
            "errorCount": 1,
            "crashCount": 0,
            "timeoutCount": 0,
            "retryCount": 0,
            "skippedTickCount": 0,
            "watchErrorCount": polls_that_failed,
            "stateFaultCount": 0,
            "uptimeSeconds": 330.1,
            "lastError": "a normal error",
            "queue": { "user": 0, "var": 0, "managerInner": 0 },
        })
    );
}

#[test]
fn what_waits_is_counted() {
    let (_sim, watcher) = rich();
    watcher.send_message("one").unwrap();
    watcher.send_message("two").unwrap();
    assert_eq!(get(&watcher, "/watcher/state")["queue"]["user"], 2);
}

#[test]
fn vars_hide_what_looks_secret() {
    let (_sim, watcher) = rich();
    assert_eq!(
        get(&watcher, "/watcher/vars"),
        json!({
            "vars": { "PAIR": "BTC/EUR", "API_KEY": "***", "DB": "***" },
            "count": 3,
            "timestamp": NOW,
        })
    );
}

#[test]
fn vars_show_all_when_the_owner_allows_it() {
    let (_sim, watcher) = rich();
    let config = ApiConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        show_secrets: true,
        ..ApiConfig::default()
    };
    watcher.start_api_server_with(config).unwrap();
    assert_eq!(get(&watcher, "/watcher/vars")["vars"]["API_KEY"], "canary");
}

#[test]
fn watching() {
    let (_sim, watcher) = rich();
    assert_eq!(
        get(&watcher, "/watcher/watching"),
        json!({ "watchedVars": ["price", "flaky", "later"], "count": 3, "timestamp": NOW })
    );
}

#[test]
fn memo_cache() {
    let (_sim, watcher) = rich();
    assert_eq!(
        get(&watcher, "/watcher/memoCache"),
        json!({
            "entries": {
                "plain": 7,
                "odd": {
                    "type": "core::option::Option<(char, f64)>",
                    "debug": "Some(('a', 1.5))",
                },
            },
            "count": 2,
            "timestamp": NOW,
        })
    );
}

#[test]
fn var_state() {
    let (_sim, watcher) = rich();
    let executions = watcher.stats().counters.executions;
    assert_eq!(
        get(&watcher, "/watcher/varState"),
        json!({
            "variables": { "price": 21, "flaky": { "value": null, "error": "no network" } },
            "contextValues": { "count": executions },
            "count": 2,
            "timestamp": NOW,
        })
    );
}

#[test]
fn config() {
    let (_sim, watcher) = rich();
    let port = watcher.start_api_server("127.0.0.1:0").unwrap().port();
    assert_eq!(
        get(&watcher, "/watcher/config"),
        json!({
            "config": {
                "serverPort": port,
                "signalChanCapacity": 1024,
                "maxLogEntries": 1000,
                "maxMemoEntries": 100,
                "maxWatches": 1000,
                "defaultTimeoutMs": 5000,
                "stopTimeoutMs": 10_000,
                "recovery": {
                    "maxRetries": 3,
                    "retryDelayMs": 1000,
                    "backoffFactor": 2.0,
                    "maxDelayMs": 60_000,
                    "jitter": 0.0,
                },
                "persist": null,
                "journal": null,
            },
            "timestamp": NOW,
        })
    );
}

#[test]
fn logs() {
    let (_sim, watcher) = rich();
    let all = get(&watcher, "/watcher/logs");
    let keys: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "contextLogs",
            "effectLogs",
            "effectResults",
            "reduceLogs",
            "stateFaultLogs",
            "watchErrorLogs"
        ]
    );
    assert_eq!(get(&watcher, "/watcher/logs?type=all"), all);
    let last = get(&watcher, "/watcher/logs?type=context&limit=1");
    let executions = watcher.stats().counters.executions;
    let line = json!({ "id": executions, "createdAt": "2025-01-01T00:05:00.000Z", "text": "ran" });
    assert_eq!(
        last,
        json!({
            "contextLogs": [line],
            "effectLogs": [],
            "effectResults": [],
            "reduceLogs": [],
            "stateFaultLogs": [],
            "watchErrorLogs": [],
        })
    );
    let errors = get(&watcher, "/watcher/logs?type=watch_error");
    let text = errors["watchErrorLogs"][0]["text"].as_str().unwrap();
    assert_eq!(text, "flaky: no network");
}

#[test]
fn health() {
    let (_sim, watcher) = rich();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let mut client = Client::connect(address);
    let answer = client.get("/healthz");
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
    let answer = client.get("/readyz");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({ "status": "ready", "state": "Ready" }))
    );
    watcher.kill();
    let answer = client.get("/healthz");
    let failed = json!({ "status": "failed", "state": "Killed", "error": "the watcher is Killed" });
    assert_eq!((answer.status, answer.json()), (503, failed));
    let answer = client.get("/readyz");
    assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("not ready")));
}

#[test]
fn ready_is_who_serves_messages() {
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().unwrap();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let mut client = Client::connect(address);
    let mut ready = |expected: u16| assert_eq!(client.get("/readyz").status, expected);
    let managed = |message: Option<&hersh::Message>, _: &hersh::Context| match message {
        Some(_) => Err(ManagedError::crash("as told")),
        None => Ok(()),
    };
    watcher.manage("crash", managed).unwrap();
    ready(503);
    watcher.start().unwrap();
    ready(503);
    sim.run_until_idle();
    ready(200);
    watcher.send_message("now").unwrap();
    sim.run_until_idle();
    assert_eq!(watcher.state(), hersh::State::WaitRecover);
    ready(503);
}

#[test]
fn a_message_is_executed() {
    let (sim, watcher) = rich();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let before = watcher.stats().counters.executions;
    let answer = Client::connect(address).post("/watcher/message", r#"{"content":"hello"}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "message sent" })));
    sim.run_until_idle();
    assert_eq!(watcher.stats().counters.executions, before + 1);
}

#[test]
fn stopping_is_asked_for_and_seen() {
    let (sim, watcher) = rich();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    let mut client = Client::connect(address);
    let answer = client.post("/watcher/stop", "{}");
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "stopping" })));
    sim.run_until_idle();
    let status = client.get("/watcher/status").json();
    assert_eq!((&status["state"], &status["isRunning"]), (&json!("Stopped"), &json!(false)));
    assert_eq!(client.post("/watcher/stop", "{}").status, 503);
}
