//! A secret that a program is given, and the host's own tokens, are looked for wherever somebody else
//! could see them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hersh_tests::{HostProcess, counter, engine};
use serde_json::{Value, json};

/// The arguments of all processes that hold one of these secrets, as they were seen while `work` ran.
fn seen_in_arguments<T>(secrets: &[&str], work: impl FnOnce() -> T) -> (T, BTreeSet<String>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").expect("processes can be listed").flatten() {
                    let Ok(line) = fs::read(process.path().join("cmdline")) else { continue };
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if secrets.iter().any(|secret| line.contains(secret)) {
                        seen.insert(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            seen
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, watch.join().expect("the watch ends"))
    })
}

/// The files under a folder that hold one of these secrets and that others can read, all the way from
/// the folder.
fn exposed(folder: &Path, secrets: &[&str]) -> Vec<PathBuf> {
    let is_open = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o055 != 0)
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a file has a type");
        if kind.is_dir() && is_open(&path) {
            found.extend(exposed(&path, secrets));
        } else if kind.is_file() && is_open(&path) {
            let content = fs::read(&path).unwrap_or_default();
            let content = String::from_utf8_lossy(&content);
            if secrets.iter().any(|secret| content.contains(secret)) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_secret_is_seen_nowhere_but_in_its_program() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let canary = "canary-5e1f0c7a9b";
    let made = host.post("/tokens", &json!({"user_id": "ada"})).body;
    let user_token = made["token"].as_str().expect("a token was made").to_owned();
    let admin_token = host.token();
    let secrets = [canary, user_token.as_str(), admin_token.as_str()];

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let env_file = folder.path().join("secrets.env");
    fs::write(&env_file, format!("API_KEY={canary}\n")).expect("a file can be written");
    let (said, in_arguments) = seen_in_arguments(&secrets, || {
        let args = ["deploy", &counter().to_string_lossy(), "--name", "counter", "--env-file"];
        let deployed = host.ok(args.iter().copied().chain([&*env_file.to_string_lossy()]));
        let sent = host.ok(["send", "counter", "status"]);
        let restarted = host.ok(["restart", "counter"]);
        host.until_state("counter", "Ready");
        [deployed, sent, restarted].concat()
    });
    assert_eq!(in_arguments, BTreeSet::new(), "every user of a machine sees these");
    let id = host.program("counter")["program_id"].as_str().expect("it has an id").to_owned();

    // It did arrive.
    let environment = host.container(&id)["Config"]["Env"].to_string();
    assert!(environment.contains(canary), "the program did not get it: {environment}");

    let wrong = json!({"user_id": "ada", "dockerfile": "FROM scratch", "env": {"API_KEY": format!("{canary}\n")}});
    let misplaced = json!({"user_id": "ada", "dockerfile": "FROM scratch", "env": canary});
    let mut told = vec![
        ("the command", Value::String(said)),
        ("the host's log", Value::String(host.log())),
        ("a refusal", host.post("/programs", &wrong).body),
        ("another", host.post("/programs", &misplaced).body),
    ];
    for path in ["", "/logs", "/build-log", "/source", "/events", "/watcher/vars"] {
        told.push((path, host.get(&format!("/programs/{id}{path}")).body));
    }
    for path in ["/programs", "/tokens", "/tickets", "/metrics", "/openapi.json", "/readyz"] {
        told.push((path, host.get(path).body));
    }
    for (what, told) in told {
        let told = told.to_string();
        assert!(told.len() > 2, "{what} tells nothing");
        assert!(secrets.iter().all(|secret| !told.contains(secret)), "{what}: {told}");
    }
    assert_eq!(exposed(&host.data(), &secrets), [] as [PathBuf; 0]);
}
