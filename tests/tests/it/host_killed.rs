//! The host may end at any moment; the programs go on.

use hersh_tests::{HostProcess, counter, engine, until};

use crate::whole_path::context;

#[test]
fn after_kill_9_a_ready_program_runs_on_is_known_and_can_be_stopped() {
    let Some(engine) = engine() else { return };
    let mut host = HostProcess::start(&engine);
    let id = host.deploy(counter(), "counter");
    host.ok(["send", "counter", "add 5000"]);
    until("the program to have added", || {
        let count = context(&host, &id, "count");
        if count["ticks"].as_u64() >= Some(5000) { Ok(()) } else { Err(count) }
    });
    let before = (host.program("counter"), host.container(&id));

    host.kill_and_start_again();

    let program = host.until_state("counter", "Ready");
    let container = host.container(&id);
    assert_eq!(container["Id"], before.1["Id"]);
    assert_eq!(container["State"]["StartedAt"], before.1["State"]["StartedAt"], "it ran on");
    assert_eq!(container["RestartCount"], 0);
    for kept in ["program_id", "build_id", "proxy_url", "container_id", "image_id", "created_at"] {
        assert_eq!(program[kept], before.0[kept], "{kept}");
    }
    // The very same process: it was started once.
    let count = until("the program to be seen", || {
        let count = context(&host, &id, "count");
        if count.is_null() { Err(count) } else { Ok(count) }
    });
    assert_eq!(count["starts"], 1);
    assert!(count["ticks"].as_u64() >= Some(5000), "{count}");

    host.ok(["stop", "counter"]);
    assert_eq!(host.program("counter")["state"], "Stopped");
    let running = host.containers();
    assert!(!running.iter().any(|c| c["State"]["Running"] == true), "{running:#?}");
}

#[test]
fn a_host_that_is_asked_to_end_leaves_its_programs_running() {
    let Some(engine) = engine() else { return };
    let mut host = HostProcess::start(&engine);
    let id = host.deploy(counter(), "counter");
    assert!(host.terminate().success(), "{}", host.log());
    assert_eq!(host.container(&id)["State"]["Running"], true);
}

#[test]
fn a_second_host_on_the_same_data_is_refused() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let data = host.data();
    let second = host.hersh([
        "host".as_ref(),
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--docker".as_ref(),
        engine.host().as_ref(),
        "--data-dir".as_ref(),
        data.as_os_str(),
    ]);
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr);
    assert!(words.contains(&*data.to_string_lossy()), "{words}");
    assert_eq!(host.get("/healthz").status, 200);
}
