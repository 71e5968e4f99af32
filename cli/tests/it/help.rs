//! What the command says of itself, held against plain files: they are what changes in a review.

use std::path::PathBuf;

use hersh_cli::args::AFTER_HELP;
use hersh_cli::output::Exit;

use crate::run::{hersh, run};

const COMMANDS: &[&str] = &[
    "deploy", "dev", "doctor", "host", "logs", "ps", "restart", "rm", "send", "show", "start",
    "stop",
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
