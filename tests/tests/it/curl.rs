//! Plain `curl`, as people type it, against a host without tokens.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use hersh_tests::{HostProcess, counter, engine, until};
use serde_json::{Value, json};

/// What the first system's users type, as it stands in its papers, but for the program's id and its
/// port, which they get from the first answer.
const LINES: [&str; 4] = [
    "curl http://localhost:9000/programs/{program_id}",
    "curl -X POST http://localhost:19007/watcher/message \\
  -H \"Content-Type: application/json\" \\
  -d '{\"content\":\"status\"}'",
    "curl http://localhost:19007/watcher/status",
    "curl http://localhost:9000/programs",
];

/// Has a shell run a line, with this host in the place of the usual one.
fn sh(host: &HostProcess<'_>, line: &str) -> Value {
    let line =
        line.replace("http://localhost:9000", host.url()).replacen("curl ", "curl -sS -m 60 ", 1);
    let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
}

#[test]
fn the_lines_that_people_type_work_as_they_stand() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start_open(&engine);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (mut dockerfile, mut files) = (String::new(), serde_json::Map::new());
    for entry in fs::read_dir(counter()).expect("the example is staged") {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let content = fs::read(&path).expect("a file can be read");
        if name == "Dockerfile" {
            dockerfile = String::from_utf8(content).expect("a Dockerfile is text");
        } else {
            files.insert(name, base64::prelude::BASE64_STANDARD.encode(content).into());
        }
    }
    let body = json!({"user_id": "ada", "dockerfile": dockerfile, "src_files_base64": files});
    let file = folder.path().join("body.json");
    fs::write(&file, body.to_string()).expect("a file can be written");
    let create = format!(
        "curl -X POST http://localhost:9000/programs -H 'Content-Type: application/json' -d @{}",
        file.display()
    );
    let created = sh(&host, &create);
    assert_eq!(created["state"], "Created", "{created}");
    let text = |field: &str| created[field].as_str().expect("it is a text").to_owned();
    let (id, proxy_url) = (text("program_id"), text("proxy_url"));
    assert!(proxy_url.starts_with("http://localhost:"), "{proxy_url}");
    let act =
        |what: &str| sh(&host, &format!("curl -X POST http://localhost:9000/programs/{id}/{what}"));
    let started = act("start");
    assert_eq!(started["state"], "starting", "{started}");
    assert_eq!(started["message"], "program start initiated");

    let run = |line: &str| {
        let line = line.replace("{program_id}", &id).replace("http://localhost:19007", &proxy_url);
        sh(&host, &line)
    };
    until("the program to be Ready", || {
        let program = run(LINES[0]);
        if program["state"] == "Ready" { Ok(()) } else { Err(program) }
    });
    assert_eq!(run(LINES[1]), json!({"status": "message sent"}));
    assert_eq!(run(LINES[2])["isRunning"], true);
    let list = run(LINES[3]);
    assert_eq!((&list["count"], &list["programs"][0]["program_id"]), (&json!(1), &json!(id)));

    assert_eq!(act("restart")["program_id"], json!(id));
    until("the program to be Ready again", || {
        let program = run(LINES[0]);
        if program["state"] == "Ready" && program["attempt"] == 2 { Ok(()) } else { Err(program) }
    });
    assert_eq!(act("stop")["state"], "Stopping");
    let gone = sh(&host, &format!("curl -X DELETE http://localhost:9000/programs/{id}"));
    assert_eq!(gone["program_id"], json!(id));
    let missing = run(LINES[0]);
    assert_eq!((&missing["error"], &missing["code"]), (&json!("Not Found"), &json!(404)));
}
