//! A deploy under a name that is taken: the new build takes over, or all stays as it was.

use std::fs;

use hersh_tests::{HostProcess, counter, engine, until};

use crate::whole_path::context;

#[test]
fn a_second_deploy_takes_over_and_a_broken_one_changes_nothing() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let old = host.deploy(counter(), "counter");
    let url = host.program("counter")["proxy_url"].clone();
    host.ok(["send", "counter", "add 1000"]);
    until("the program to have added", || {
        let count = context(&host, &old, "count");
        if count["ticks"].as_u64() >= Some(1000) { Ok(()) } else { Err(count) }
    });

    let broken = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(broken.path().join("Dockerfile"), "FROM scratch\nCOPY gone /gone\n").expect("a file");
    let folder = broken.path().display().to_string();
    let failed = host.hersh(["deploy", &folder, "--name", "counter"]);
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("what was deployed before is as it was"), "{said}");
    let program = host.program("counter");
    assert_eq!((&program["program_id"], &program["state"]), (&old.clone().into(), &"Ready".into()));

    let folder = counter().display().to_string();
    let new = host.hersh(["deploy", &folder, "--name", "counter", "--ready-timeout", "60"]);
    let said = String::from_utf8_lossy(&new.stderr);
    assert!(new.status.success(), "{said}\n{}", host.log());
    assert!(said.contains("counter runs already") && said.contains("counter is Ready"), "{said}");
    let program = host.program("counter");
    assert_eq!((&program["state"], &program["proxy_url"]), (&"Ready".into(), &url), "{program}");
    let id = program["program_id"].as_str().expect("a program has an id").to_owned();
    assert_ne!(id, old);
    let count = until("the new program to count on", || {
        let count = context(&host, &id, "count");
        if count["ticks"].as_u64() >= Some(1000) { Ok(count) } else { Err(count) }
    });
    assert_eq!(count["starts"], 2, "it went on with the old one's state: {count}");
    assert_eq!(host.containers().len(), 1);
}
