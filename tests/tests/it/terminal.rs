//! The command in a real terminal, and the same in a pipe.

use std::process::Command;

use hersh_tests::{HostProcess, Terminal, counter, engine, hersh};

#[test]
fn deploy_ps_and_watch_in_a_terminal() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let variables = [
        ("HERSH_HOST", host.url().to_owned()),
        ("HERSH_DATA_DIR", host.data().display().to_string()),
        ("hersh", hersh().display().to_string()),
    ];
    let Some(terminal) = Terminal::open(&variables) else { return };

    terminal.line(&format!("$hersh deploy {} --name counter", counter().display()));
    terminal.until("the program to be Ready", |screen| screen.contains("counter is Ready"));
    let written = terminal.written();
    assert!(written.contains("uploading [#"), "a bar while it takes long: {written:?}");
    assert!(written.contains("building: "), "the build, live: {written:?}");
    assert!(written.contains("\u{1b}[32mReady"), "colours: {written:?}");

    terminal.line("clear; $hersh ps");
    let screen = terminal.until("the table", |screen| screen.contains("counter  Ready"));
    assert!(screen.contains("NAME     STATE"), "{screen}");

    terminal.line("$hersh watch counter; echo ended with $?");
    terminal.until("the values", |screen| screen.contains("VALUES"));
    host.ok(["send", "counter", "add 40"]);
    let screen = terminal.until("the answer", |screen| screen.contains("added 40"));
    assert!(!screen.contains("NAME     STATE"), "a screen of its own: {screen}");
    for heading in ["VARIABLES", "SIGNALS", "EVENTS"] {
        assert!(screen.contains(heading), "{screen}");
    }
    assert!(!screen.contains('\u{1b}'), "{screen}");
    // A smaller terminal still shows the head of the picture, and nothing wraps.
    terminal.resize(40, 10);
    terminal.until("a smaller picture", |screen| {
        screen.trim_end().lines().count() <= 10 && screen.starts_with("counter  Ready")
    });
    terminal.resize(100, 30);
    terminal.press("C-c");
    let screen = terminal.until("the shell", |screen| screen.contains("ended with 130"));
    assert!(screen.contains("NAME     STATE"), "what stood there before is back: {screen}");
}

#[test]
fn the_same_in_a_pipe_is_plain() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let args = ["deploy", &counter().display().to_string(), "--name", "counter"].map(str::to_owned);
    let deployed = host.hersh(&args);
    let said = String::from_utf8_lossy(&deployed.stderr);
    assert!(deployed.status.success(), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{said:?}");
    assert!(said.contains("counter is Ready\n"), "{said}");
    let once = host.ok(["watch", "counter", "--once"]);
    assert!(once.contains("VALUES") && !once.contains('\u{1b}'), "{once:?}");
    let json: serde_json::Value =
        serde_json::from_str(&host.ok(["watch", "counter", "--once", "--json"]))
            .unwrap_or_default();
    assert_eq!(json["data"]["varState"]["contextValues"]["count"]["starts"], 1, "{json}");
    assert!(host.ok(["events", "counter"]).contains("-> Ready"), "what happened");
    assert!(host.ok(["source", "counter"]).contains("Dockerfile"), "what it was built from");
    let tickets = host.ok(["tickets", "list", "--json"]);
    assert!(tickets.contains("rotate-logs"), "{tickets}");

    // Somebody else's token shows nothing of it, and after it is revoked nothing at all.
    let token = host.ok(["token", "create", "--user", "somebody", "--name", "laptop"]);
    let as_somebody = || {
        let command = &mut Command::new(hersh());
        let command = command.args(["show", "counter"]).env("HERSH_HOST", host.url());
        command.env("HERSH_TOKEN", &token).output().expect("the hersh command runs").status.code()
    };
    assert_eq!(as_somebody(), Some(4));
    assert!(host.ok(["token", "list"]).contains("laptop"));
    host.ok(["token", "revoke", "laptop"]);
    assert_eq!(as_somebody(), Some(7));
}
