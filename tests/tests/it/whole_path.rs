//! From a Dockerfile to a live watcher, as the demo goes.

use hersh_tests::{HostProcess, counter, engine, until};
use serde_json::{Value, json};

#[test]
fn a_program_is_deployed_spoken_to_seen_and_survives_a_restart() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);

    let id = host.deploy(counter(), "counter");
    assert!(host.ok(["ps"]).contains("counter"));
    assert_eq!(host.program("counter")["state"], "Ready");

    let kernel =
        engine.docker(&["inspect", "--format", "{{.HostConfig.Runtime}}", &container(&host, &id)]);
    assert_eq!(kernel, "runsc");

    host.ok(["send", "counter", "add 1000"]);
    let count = until("the program to have added", || {
        let count = context(&host, &id, "count");
        if count["ticks"].as_u64() >= Some(1000) { Ok(count) } else { Err(count) }
    });
    assert_eq!(count["messages"], 1);
    assert_eq!(count["starts"], 1);
    let log = until("the answer in the log", || {
        let log = host.ok(["logs", "counter"]);
        if log.contains("1000") { Ok(log) } else { Err(log) }
    });
    assert!(log.contains("add 1000"), "{log}");

    host.ok(["restart", "counter"]);
    host.until_state("counter", "Ready");
    let count = until("the program to count again", || {
        let count = context(&host, &id, "count");
        if count["starts"] == 2 { Ok(count) } else { Err(count) }
    });
    assert!(count["ticks"].as_u64() >= Some(1000), "{count}");
    assert_eq!(count["messages"], 1);

    host.ok(["stop", "counter"]);
    assert_eq!(host.program("counter")["state"], "Stopped");
    host.ok(["rm", "counter"]);
    assert_eq!(host.get("/programs").body["count"], 0);
    assert_eq!(host.containers(), [] as [Value; 0]);
}

#[test]
fn a_program_that_stops_itself_is_stopped_with_its_exit_code_known() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(counter(), "counter");

    let sent = host.post(&format!("/programs/{id}/watcher/message"), &json!({"content": "stop"}));
    assert_eq!(sent.status, 200, "{sent:?}");
    let program = until("the host to see that it ended", || {
        let program = host.program("counter");
        if program["state"] == "Ready" { Err(program) } else { Ok(program) }
    });
    assert!(program["error_msg"].as_str().is_some_and(|words| words.contains('0')), "{program}");
}

/// A context value of the program's watcher, seen through the host's proxy.
pub(crate) fn context(host: &HostProcess<'_>, id: &str, name: &str) -> Value {
    let mut state = host.get(&format!("/programs/{id}/proxy/watcher/varState")).body;
    state["contextValues"][name].take()
}

fn container(host: &HostProcess<'_>, id: &str) -> String {
    host.container(id)["Id"].as_str().expect("a container has an id").to_owned()
}
