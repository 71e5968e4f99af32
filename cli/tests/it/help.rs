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
pub(crate) fn compare(name: &str, text: &str) {
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
        let one = run(&mut hersh(&[command, "--help"]));
        assert_eq!((one.code, one.err.as_str()), (0, ""), "{command}");
        compare(&format!("help-{command}"), &one.out);
    }
    for parts in PARTS {
        let one = run(&mut hersh(&[parts, &["--help"][..]].concat()));
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
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), COMMANDS.len() + PARTS.len() + 1);
    let create = run(&mut hersh(&["man", "token", "create"]));
    assert_eq!(create.out, std::fs::read_to_string(to.join("hersh-token-create.1")).unwrap());
    let deploy = run(&mut hersh(&["man", "deploy"]));
    assert_eq!(deploy.out, std::fs::read_to_string(to.join("hersh-deploy.1")).unwrap());
    assert!(deploy.out.contains(".TH hersh-deploy 1") && deploy.out.contains("\\-\\-env\\-file"));
    let unknown = run(&mut hersh(&["man", "nonsense"]));
    assert_eq!(unknown.code, 4, "{}", unknown.err);
}

#[test]
fn bash_completes_what_it_is_given() {
    let script = r#"
        set -eu
        source <("$HERSH" completions bash)
        complete -p hersh
        complete_line() {
            COMP_WORDS=(hersh "$@") COMP_CWORD=$# COMPREPLY=()
            _hersh hersh "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}"
        }
        complete_line dep
        complete_line token cre
        complete_line deploy --restart al
        complete_line init --lang ''
    "#;
    let mut bash = std::process::Command::new("bash");
    let ran = run(bash.args(["-c", script]).env("HERSH", env!("CARGO_BIN_EXE_hersh")));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let said: Vec<_> = ran.out.lines().skip(1).collect();
    assert_eq!(said, ["deploy", "create", "always", "python rust c"]);
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
        &["events"],
        &["tickets"],
        &["tickets", "retry"],
        &["token", "create"],
        &["token", "create", "--scope", "root"],
        &["tickets", "list", "--status", "lost"],
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

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let (_gate, url) = crate::command::host(|request| {
        let code = match request.path().rsplit('/').next() {
            Some("start") => 409,
            Some("stop") => 403,
            _ => 503,
        };
        let body =
            serde_json::json!({"error": "Word", "code": code, "message": "the host's words"});
        hersh::http::Response::json(code, &body)
    });
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("file"), "not a journal").unwrap();
    std::fs::write(dir.path().join("env"), "A=1\nnot a name=canary\n").unwrap();
    let (file, env) = (format!("{folder}/file"), format!("{folder}/env"));
    let cases: &[&[&str]] = &[
        &["deploy", folder],
        &["deploy", &file],
        &["deploy", "--env-file", &env, folder],
        &["deploy", "--env", "GONE_FROM_HERE", folder],
        &["deploy", "--memory", "lots", folder],
        &["dev", folder],
        &["dev", &file],
        &["init", folder],
        &["init", "--library", folder, &format!("{folder}/new")],
        &["replay", &file],
        &["replay", &format!("{folder}/gone")],
        &["host", "--runtime", "runc"],
        &["man", "nonsense"],
        &["show", "nobody"],
        &["show", "counter"],
        &["start", "counter"],
        &["stop", "counter"],
        &["send", "counter", ""],
        &["send", "counter", "hello"],
        &["watch", "counter", "--once"],
        &["events", "counter"],
        &["source", "counter"],
        &["tickets", "list"],
        &["token", "create", "--scope", "write"],
        &["--host", "https://example.org", "ps"],
        &["--config", &file, "ps"],
        &["--config", &format!("{folder}/gone"), "ps"],
    ];
    let mut text = String::new();
    for case in cases {
        let (global, rest) =
            if case[0] == "--host" { (&case[..2], &case[2..]) } else { (&[][..], *case) };
        // `--host` belongs to the commands that talk to one.
        let ran = run(hersh(&[rest, global].concat()).env("HERSH_HOST", &url));
        assert_eq!(ran.out, "", "{case:?}");
        let words = format!("$ hersh {}\n{}[{}]\n\n", case.join(" "), ran.err, ran.code);
        text.push_str(&words.replace(folder, "FOLDER").replace(&url, "URL"));
    }
    assert!(!text.contains("canary"), "{text}");
    compare("errors", &text);
}
