//! Builds take long and fail.

use hersh_tests::{HostProcess, engine, probe, until};

#[test]
fn a_stop_cancels_the_build() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    // Far longer than this test waits for anything: only a cancelled build ends in time.
    let folder =
        probe("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"sleep\", \"in-build\"]\n");
    host.ok(["deploy", "--detach", "--name", "slow", &folder.path().display().to_string()]);
    host.until_state("slow", "Building");
    until("the build to sleep", || {
        let log = host.ok(["logs", "--build", "slow"]);
        if log.contains("sleeping") { Ok(()) } else { Err(log) }
    });

    host.ok(["stop", "slow"]);
    assert_eq!(host.program("slow")["state"], "Stopped");
    until("the build's container to be gone", || {
        let sleeping = engine.docker(&["ps", "--no-trunc", "--format", "{{.Command}}"]);
        if sleeping.contains("sleep in-build") { Err(sleeping) } else { Ok(()) }
    });
}

#[test]
fn a_build_that_fails_says_why() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let folder = probe("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"exit\", \"7\"]\n");
    let output = host.hersh(["deploy", "--name", "broken", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let program = host.until_state("broken", "Error");
    assert!(program["error_msg"].as_str().is_some_and(|words| words.contains('7')), "{program}");
    assert!(host.ok(["logs", "--build", "broken"]).contains("/probe"));
    assert_eq!(host.containers().len(), 0);
}
