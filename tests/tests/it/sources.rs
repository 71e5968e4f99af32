//! Source files come from strangers: their names must not lead out of their folder.

use std::fs;
use std::path::Path;

use hersh_tests::{HostProcess, engine};
use serde_json::json;

#[test]
fn a_name_that_climbs_out_is_refused_and_nothing_is_written() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let before = tree(&host.data());

    for name in ["../../x", "/x", "a/../../x", "..", "a\0b", "a\\b", ""] {
        let body = json!({
            "user_id": "mallory", "dockerfile": "FROM scratch\n", "src_files": {name: "evil"}
        });
        let answer = host.post("/programs", &body);
        assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
        assert_eq!(answer.body["code"], 400, "{answer:?}");
        assert!(answer.body["message"].as_str().is_some_and(|m| !m.is_empty()), "{answer:?}");
    }

    assert_eq!(host.get("/programs").body["count"], 0);
    assert_eq!(tree(&host.data()), before);
}

/// Every file and folder below, the files that a database keeps open left out: they grow on their own.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        let name = path.display().to_string();
        if !name.ends_with("-wal") && !name.ends_with("-shm") && !name.ends_with("-journal") {
            found.push(name);
        }
    }
    found.sort();
    found
}
