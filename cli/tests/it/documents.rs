//! What `--json` prints, held against a plain file: the fields and their kinds, as the README lists
//! them. They are promised: one may be added, none may go or become another.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value as Json;

use hersh_cli::host::Host;
use hersh_cli::host::api::{ApiConfig, serve};
use hersh_cli::host::auth::Auth;
use hersh_cli::host::engine::FakeEngine;

use crate::command::at;
use crate::help::compare;
use crate::run::run;
use crate::support::config;

// Objects as their fields, lists as what is first in them; what a user has named is a name.
fn shape(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "bool".to_owned(),
        Json::Number(_) => "number".to_owned(),
        Json::String(_) => "text".to_owned(),
        Json::Array(items) => {
            format!("[{}]", items.first().map_or_else(String::new, shape))
        }
        Json::Object(fields) => {
            let mut told: Vec<_> = fields
                .iter()
                .map(|(key, value)| {
                    let key = if key.contains('.') || key == "Dockerfile" { "NAME" } else { key };
                    format!("{key}: {}", shape(value))
                })
                .collect();
            told.sort();
            told.dedup();
            format!("{{{}}}", told.join(", "))
        }
    }
}

#[test]
fn the_documents_are_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::new();
    let data = dir.path().join("data");
    let host = Host::open_with(config(&data), |_, _, _| Arc::new(engine.clone())).unwrap();
    let listen: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let gate = serve(host.clone(), ApiConfig::new(listen, Auth::open(listen).unwrap())).unwrap();
    let url = format!("http://{}", gate.local_addr());
    let folder = dir.path().join("bot");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\n").unwrap();
    std::fs::write(folder.join("main.py"), "print()\n").unwrap();
    let (folder, new) = (folder.to_str().unwrap(), dir.path().join("new"));
    let commands: &[&[&str]] = &[
        &["tickets", "list"],
        &["tickets", "show", "health"],
        &["init", "--lang", "c", new.to_str().unwrap()],
        &["deploy", "--no-start", folder],
        &["ps"],
        &["start", "bot"],
        &["show", "bot"],
        &["logs", "bot"],
        &["logs", "--build", "bot"],
        &["events", "bot"],
        &["source", "bot"],
        &["restart", "bot"],
        &["stop", "bot"],
        &["start", "--detach", "bot"],
        &["token", "create", "--user", "ann", "--name", "laptop"],
        &["token", "list"],
        &["token", "revoke", "laptop"],
        &["rm", "bot"],
    ];
    let mut text = String::new();
    for command in commands {
        let ran = run(&mut at(&url, &[command, &["--json"][..]].concat()));
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.err);
        let document: Json = serde_json::from_str(&ran.out).unwrap();
        let shown = command.join(" ").replace(dir.path().to_str().unwrap(), "FOLDER");
        writeln!(text, "$ hersh {shown} --json\n{}", shape(&document)).unwrap();
    }
    compare("json", &text);
    gate.shutdown(std::time::Duration::ZERO);
    host.shutdown();
}
