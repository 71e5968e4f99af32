//! A secret in the environment appears in no log, error, API answer, event, file or process list, unless
//! its owner shows it (spec 80.4).

use std::fs;
use std::path::Path;
use std::time::Duration;

use hersh::http::BearerToken;
use hersh::{ApiConfig, Config, Journal, LogKind, ManagedError, Message, Persist, Watcher};

use crate::gate::client::Client;

/// In no word of the project, so that it is found wherever it comes from.
const CANARY: &str = "canary-7f3a9c51e2";

const TOKEN: &str = "bearer-5d1b8e60a4-of-the-canary";

/// Everywhere that a client can look.
const ROUTES: [&str; 13] = [
    "/watcher/status",
    "/watcher/state",
    "/watcher/vars",
    "/watcher/watching",
    "/watcher/memoCache",
    "/watcher/varState",
    "/watcher/config",
    "/watcher/logs",
    "/watcher/signals",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
];

fn with_secrets(folder: &Path) -> Watcher {
    let token = BearerToken::new(TOKEN).unwrap();
    let api = ApiConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        token: Some(token),
        ..ApiConfig::default()
    };
    let mut config = Config {
        api: Some(api),
        persist: Some(Persist::to(folder.join("values"))),
        journal: Some(Journal::to(folder.join("journal"))),
        ..Config::default()
    };
    config.recovery.retry_delay = Duration::from_millis(1);
    let watcher = Watcher::builder()
        .name("keeper of secrets")
        .config(config)
        .env("EXCHANGE_API_KEY", CANARY)
        .env("DATABASE_URL", format!("postgres://me:{CANARY}@db/all"))
        .env("PLAIN", "seen")
        .build()
        .unwrap();
    watcher
        .manage("use secrets", |message, ctx| {
            let secret = ctx.get_env("EXCHANGE_API_KEY").unwrap();
            assert_eq!(secret, CANARY);
            ctx.set_value("length of the secret", secret.len());
            ctx.memo("digest", || secret.len() % 7)?;
            ctx.watch_tick("tick", Duration::from_millis(50))?;
            ctx.log(&format!("{ctx:?} {message:?}"));
            match message.map(Message::content) {
                Some("fail") => Err("refused by the exchange".into()),
                Some("crash") if ctx.attempt() == 1 => Err(ManagedError::crash("on purpose")),
                _ => Ok(()),
            }
        })
        .unwrap();
    watcher
}

/// The files of this process that others may read: its arguments, and the names of its threads.
fn process_list() -> String {
    let mut list = fs::read_to_string("/proc/self/cmdline").unwrap_or_default();
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        list += &fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
    }
    list
}

#[test]
fn a_secret_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = with_secrets(folder.path());
    watcher.start().unwrap();
    let address = watcher.api_address().unwrap();
    let ask = |path: &str, token: &str| {
        let mut client = Client::connect(address);
        let guard = format!("Host: localhost\r\nAuthorization: Bearer {token}");
        client.send(format!("GET {path} HTTP/1.1\r\n{guard}\r\nConnection: close\r\n\r\n"));
        client.answer()
    };
    let mut seen = Vec::new();

    let mut stream = String::new();
    let mut events = Client::connect(address);
    events.send(format!(
        "GET /watcher/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    ));
    assert_eq!(events.head().unwrap().status, 200);
    for content in ["fail", "crash", "go on"] {
        watcher.send_message(content).unwrap();
    }
    while !stream.contains("go on") {
        let chunk = events.chunk().unwrap().expect("the stream goes on");
        stream += &String::from_utf8_lossy(&chunk);
    }
    seen.push(stream);

    for path in ROUTES {
        let answer = ask(path, TOKEN);
        assert_eq!(answer.status, 200, "{path}");
        seen.push(format!("{:?}{}", answer.headers, answer.text()));
        // Refusals may not repeat what they were sent either.
        seen.push(ask(path, "wrong").text());
    }

    let report = watcher.stop().unwrap();
    let refused = watcher.send_message("late").unwrap_err();
    let unfit = BearerToken::new(format!("{TOKEN} with spaces"));
    seen.push(format!("{watcher:?}{:?}{report:?}{refused:?}{refused}{unfit:?}", watcher.config()));
    for kind in LogKind::ALL {
        seen.push(format!("{:?}", watcher.logs(kind, 1000)));
    }
    seen.push(format!(
        "{:?}{:?}{:?}",
        watcher.memos(),
        watcher.watched(),
        watcher.recent_signals()
    ));
    for file in fs::read_dir(folder.path()).unwrap() {
        seen.push(fs::read_to_string(file.unwrap().path()).unwrap());
    }
    seen.push(process_list());
    let seen = seen.concat();

    for (what, secret) in [("the canary", CANARY), ("the token", TOKEN)] {
        if let Some(at) = seen.find(secret) {
            let start = seen[..at].char_indices().rev().nth(120).map_or(0, |(start, _)| start);
            panic!("{what} was seen: {}", &seen[start..at + secret.len()]);
        }
    }
    assert!(seen.contains("PLAIN") && seen.contains("\"***\""), "what is no secret is shown");
    assert!(seen.len() > 10_000, "there was something to look through");
}
