//! What `hersh init` makes is a working program: its tests pass, and it runs under gVisor.

use std::fs;
use std::path::Path;
use std::process::Command;

use hersh_tests::{
    HostProcess, engine, hersh, library, python_image, root, target_of, until, wheel,
};
use tempfile::TempDir;

use crate::whole_path::context;

#[test]
fn a_new_rust_program_passes_its_tests_and_runs_under_gvisor() {
    let folder = new_program("rust", &[]);
    // The versions that this repository has tried; and nothing is asked of a registry that is here.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("a lock file");
    let mut tests = Command::new(env!("CARGO"));
    tests
        .args(["test", "--quiet"])
        .env("CARGO_TARGET_DIR", target_of("init-rust"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .current_dir(folder.path());
    run(&mut tests);
    let Some(engine) = engine() else { return };
    // As its README says; but in less time, and no better.
    run(Command::new("./build")
        .env("CARGO_TARGET_DIR", target_of("init-rust"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .current_dir(folder.path()));
    answers(&HostProcess::start(&engine), folder.path());
}

#[test]
fn a_new_c_program_passes_its_tests_and_runs_under_gvisor() {
    let folder = new_program("c", &[]);
    let library = format!("LIBRARY={}", library().display());
    for goal in ["test", "dist/app"] {
        run(Command::new("make").args([goal, &library]).current_dir(folder.path()));
    }
    let Some(engine) = engine() else { return };
    answers(&HostProcess::start(&engine), folder.path());
}

#[test]
fn a_new_python_program_passes_its_tests_and_runs_under_gvisor() {
    let Some(engine) = engine() else { return };
    let Some(image) = python_image(&engine) else { return };
    let folder = new_program("python", &["--base", image]);
    let (wheel, python) = wheel();
    run(Command::new("./build")
        .env("HERSH_WHEEL", wheel)
        .env("PYTHON", &python)
        .current_dir(folder.path()));
    run(Command::new(&python)
        .arg("test_main.py")
        .env("PYTHONPATH", "vendor")
        .current_dir(folder.path()));
    answers(&HostProcess::start(&engine), folder.path());
}

fn new_program(lang: &str, more: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let library = root().display().to_string();
    let mut init = Command::new(hersh());
    init.args(["init", "--name", "bot", "--lang", lang, "--library", &library]).args(more);
    run(init.arg(folder.path()));
    folder
}

/// Deploys the program, asks it something, and restarts it: what it kept is there again.
fn answers(host: &HostProcess<'_>, folder: &Path) {
    let id = host.deploy(folder, "bot");
    let answers = |message: &str, wanted: &str| {
        host.ok(["send", "bot", message]);
        until(&format!("the answer to {message}"), || {
            let answer = context(host, &id, "answer");
            let said = answer.as_str().is_some_and(|said| said.starts_with(wanted));
            if said { Ok(()) } else { Err(answer) }
        });
    };
    answers("add 4000", "added 4000: 4");
    host.ok(["restart", "bot"]);
    host.until_state("bot", "Ready");
    answers("status", "4");
    let log = until("the answer in the log", || {
        let log = host.ok(["logs", "bot"]);
        if log.contains("seconds") { Ok(log) } else { Err(log) }
    });
    assert!(!log.contains("rror"), "{log}");
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
