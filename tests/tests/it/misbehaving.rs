//! Programs that do not do what programs should.

use hersh_tests::{HostProcess, engine, probe};
use serde_json::Value;

/// What comes of deploying a program with this end of its Dockerfile, that does not become Ready.
fn failing(host: &HostProcess<'_>, name: &str, dockerfile: &str) -> Value {
    let folder = probe(&format!("FROM scratch\nCOPY probe /probe\n{dockerfile}\n"));
    let output = host.hersh(["deploy", "--name", name, &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}\n{}", host.log());
    assert!(!output.stderr.is_empty(), "it says why");
    host.until_state(name, "Error")
}

#[test]
fn a_program_that_never_answers_is_an_error_with_words() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let program = failing(&host, "silent", "ENTRYPOINT [\"/probe\", \"sleep\"]");
    let words = program["error_msg"].as_str().unwrap_or_default();
    assert!(words.contains("answer"), "{program}");
    let left = host.containers();
    assert!(!left.iter().any(|c| c["State"]["Running"] == true), "{left:#?}");
}

#[test]
fn a_program_that_ends_at_once_is_an_error_with_its_exit_code_and_last_words() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let program = failing(&host, "short", "ENTRYPOINT [\"/probe\", \"exit\", \"7\"]");
    let words = program["error_msg"].as_str().unwrap_or_default();
    assert!(words.contains('7') && words.contains("exiting"), "{program}");
}

#[test]
fn an_image_that_wants_further_writable_places_is_refused_by_name() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let greedy = "VOLUME [\"/state\", \"/elsewhere\"]\nENTRYPOINT [\"/probe\", \"watch\"]";
    let program = failing(&host, "greedy", greedy);
    let words = program["error_msg"].as_str().unwrap_or_default();
    assert!(words.contains("/elsewhere"), "{program}");
    assert_eq!(host.containers().len(), 0);
    // `/state` is what every program has: to say so too is no offence.
    let modest =
        "FROM scratch\nCOPY probe /probe\nVOLUME /state\nENTRYPOINT [\"/probe\", \"watch\"]\n";
    host.deploy(probe(modest).path(), "modest");
}
