//! `hersh doctor` tries what it promises: it starts a container, and that is gVisor's.

use std::process::Command;

use hersh_tests::{engine, hersh};
use serde_json::Value;

#[test]
fn a_container_is_started_under_gvisor_and_nothing_of_it_stays() {
    let Some(engine) = engine() else { return };
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let doctor = Command::new(hersh())
        .args(["doctor", "--json", "--listen", "127.0.0.1:0", "--docker", engine.host()])
        .arg("--data-dir")
        .arg(data.path().join("data"))
        .output()
        .expect("hersh can be run");
    let report: Value = serde_json::from_slice(&doctor.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&doctor.stderr)));
    let check = |name: &str| {
        let checks = report["checks"].as_array().into_iter().flatten();
        checks.clone().find(|check| check["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(check("gvisor")["status"], "ok", "{report}");
    let detail = check("gvisor")["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("4.4.0"), "{detail}");
    for name in [
        "docker", "runc", "limits", "runsc", "builds", "walls", "network", "address", "ports",
        "data", "disk", "state",
    ] {
        let check = check(name);
        assert!(check["status"] == "ok" || check["remedy"].is_string(), "{name}: {report}");
    }
    assert_eq!(doctor.status.success(), report["ok"] == true, "{report}");
    let left = engine.docker(&["ps", "--all", "--quiet", "--filter", "name=hersh-doctor"]);
    assert_eq!(left.trim(), "");
}
