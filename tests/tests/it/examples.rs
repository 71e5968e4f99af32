//! The Python examples: tried in a simulation, and deployed under gVisor on an image that came from no
//! registry.

use std::path::Path;
use std::process::Command;

use hersh_tests::{HostProcess, engine, python_example, python_program, until};

use crate::whole_path::context;

#[test]
fn the_python_examples_run_under_gvisor_and_keep_their_state() {
    let Some(engine) = engine() else { return };
    let examples = ["watcher-server", "trading-long"].map(|name| python_example(&engine, name));
    let [Some(server), Some(bot)] = examples else { return };
    try_in_simulation(&server, "test_main.py");
    try_in_simulation(&bot, "test_trading.py");

    let host = HostProcess::start(&engine);
    let server = host.deploy(&server, "watcher-server");
    let bot = host.deploy(&bot, "trading-long");

    let count = |least: u64| {
        until("the clock and messages to have counted", || {
            let count = context(&host, &server, "COUNTER");
            if count.as_u64() >= Some(least) { Ok(count.as_u64().unwrap_or(0)) } else { Err(count) }
        })
    };
    let before = count(1);
    host.ok(["send", "watcher-server", "tick"]);
    let before = count(before + 1);
    host.ok(["restart", "watcher-server"]);
    host.until_state("watcher-server", "Ready");
    assert!(count(before) >= before, "the file in /state survives");

    for (command, wanted) in
        [("status", "trades of 3 markets seen"), ("p", "cash"), ("prices", "BTC")]
    {
        host.ok(["send", "trading-long", command]);
        until(&format!("the answer to {command}"), || {
            let answer = context(&host, &bot, "answer");
            if answer.as_str().is_some_and(|text| text.contains(wanted)) {
                Ok(())
            } else {
                Err(answer)
            }
        });
    }
    let log = host.ok(["logs", "trading-long"]);
    assert!(log.contains("trades of 3 markets seen"), "{log}");
}

/// The program folder of the Python package, whose image installs the wheel while it is built.
#[test]
fn the_program_of_the_python_package_counts_on_after_a_restart() {
    let Some(engine) = engine() else { return };
    let Some(folder) = python_program(&engine) else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(&folder, "ticks");
    let ticked = |least: u64| {
        until("the clock to have ticked", || {
            let ticks = context(&host, &id, "ticks");
            ticks.as_u64().filter(|ticks| *ticks >= least).ok_or(ticks)
        })
    };
    let before = ticked(1);
    host.ok(["restart", "ticks"]);
    host.until_state("ticks", "Ready");
    assert!(context(&host, &id, "ticks").as_u64() >= Some(before), "the file in /state survives");
    ticked(before + 1);
    host.ok(["send", "ticks", "hello"]);
    until("the answer in the log", || {
        let log = host.ok(["logs", "ticks"]);
        if log.contains("hello: ") { Ok(()) } else { Err(log) }
    });
}

fn try_in_simulation(folder: &Path, test: &str) {
    let status = Command::new("python3")
        .arg(test)
        .current_dir(folder)
        .env("PYTHONPATH", "vendor")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status();
    assert!(status.expect("python3 runs").success(), "{test} of {}", folder.display());
}
