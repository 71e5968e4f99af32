//! What the command says of itself, held against plain files: they are what changes in a review.

use std::path::PathBuf;

use hersh_cli::args::AFTER_HELP;
use hersh_cli::output::Exit;

use crate::run::{hersh, run};

const COMMANDS: &[&str] = &[
    "completions",
    "deploy",
    "dev",
    "doctor",
    "events",
    "host",
    "init",
    "logs",
    "man",
    "ps",
    "replay",
    "restart",
    "rm",
    "send",
    "show",
    "source",
    "start",
    "stop",
    "tickets",
    "token",
    "watch",
];

const PARTS: &[&[&str]] = &[
    &["tickets", "list"],
    &["tickets", "show"],
    &["tickets", "retry"],
    &["tickets", "cancel"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
];

/// Compares with `tests/snapshots/{name}.txt`; `UPDATE_SNAPSHOTS=1` writes it instead.
fn compare(name: &str, text: &str) {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "snapshots", &format!("{name}.txt")].iter().collect();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; UPDATE_SNAPSHOTS=1 writes it anew", path.display());
}

#[test]
fn every_command_says_what_it_takes() {
    let all = run(&mut hersh(&["--help"]));
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    compare("help", &all.out);
    for command in COMMANDS {
        assert!(all.out.contains(&format!("\n  {command} ")), "{command} is not listed");
        let one = run(&mut hersh(&[command, "-h"]));
        assert_eq!((one.code, one.err.as_str()), (0, ""), "{command}");
        compare(&format!("help-{command}"), &one.out);
    }
    for parts in PARTS {
        let one = run(&mut hersh(&[parts, &["-h"][..]].concat()));
        assert_eq!((one.code, one.err.as_str()), (0, ""), "{parts:?}");
        compare(&format!("help-{}", parts.join("-")), &one.out);
    }
}

#[test]
fn every_command_can_be_completed_and_has_a_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&mut hersh(&["completions", shell]));
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{shell}");
        for command in COMMANDS {
            assert!(script.out.contains(command), "{shell} does not know {command}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("man1");
    let all = run(&mut hersh(&["man", "--out", to.to_str().unwrap()]));
    assert_eq!(all.code, 0, "{}", all.err);
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), COMMANDS.len() + 1);
    let deploy = run(&mut hersh(&["man", "deploy"]));
    assert_eq!(deploy.out, std::fs::read_to_string(to.join("hersh-deploy.1")).unwrap());
    assert!(deploy.out.contains(".TH hersh-deploy 1") && deploy.out.contains("\\-\\-env\\-file"));
    let unknown = run(&mut hersh(&["man", "nonsense"]));
    assert_eq!(unknown.code, 4, "{}", unknown.err);
}

#[test]
fn the_exit_codes_in_the_help_are_the_ones_there_are() {
    let all = [
        (Exit::Ok, "ok"),
        (Exit::Failed, "the operation failed"),
        (Exit::Usage, "wrong usage"),
        (Exit::Unreachable, "host unreachable"),
        (Exit::NotFound, "not found"),
        (Exit::Conflict, "the present state does not allow it"),
        (Exit::TimedOut, "timed out"),
        (Exit::NotAllowed, "not allowed"),
        (Exit::Interrupted, "interrupted with Ctrl-C"),
    ];
    for (exit, words) in all {
        let wanted = format!(" {} {words}", exit as u8);
        assert!(AFTER_HELP.contains(&wanted), "{wanted}");
    }
}

#[test]
fn wrong_usage_is_2_and_on_standard_error() {
    let cases: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["ps", "--nonsense"],
        &["show"],
        &["send", "only-a-name"],
        &["deploy", "--memory", "lots"],
        &["deploy", "--cpus", "0"],
        &["deploy", "--env", "A B=c"],
        &["deploy", "--detach", "--no-start"],
        &["host", "--listen", "nowhere"],
        &["host", "--runtime", "chroot"],
        &["host", "--docker", "--privileged"],
        &["doctor", "--listen", "nowhere"],
        &["doctor", "--docker", "--privileged"],
        &["-q", "-v", "ps"],
        &["init", "--lang", "cobol"],
        &["init", "--name", "Not A Name", "never-made"],
        &["init", "--base", "two words", "never-made"],
        &["completions", "tcsh"],
        &["tickets"],
        &["tickets", "retry"],
        &["token", "create"],
        &["token", "create", "--scope", "root"],
        &["source", "name", "file", "--out", "dir"],
    ];
    for case in cases {
        let ran = run(&mut hersh(case));
        assert_eq!(ran.code, 2, "{case:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{case:?}");
        assert!(!ran.err.is_empty(), "{case:?}");
    }
}

#[test]
fn the_version_is_the_crates() {
    let ran = run(&mut hersh(&["--version"]));
    assert_eq!(ran.out, format!("hersh {}\n", env!("CARGO_PKG_VERSION")));
}
