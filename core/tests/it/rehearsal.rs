//! Programs that are asked to replay a journal, in processes of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use hersh::{Config, Journal, ManagedError, Persist, StartError, Watcher};

/// Set for the process that is to be the program: its folder, and its name.
const FOLDER: &str = "HERSH_TEST_FOLDER";
const NAME: &str = "HERSH_TEST_NAME";
const TWISTED: &str = "HERSH_TEST_TWISTED";

/// The program: sends itself what it is to do, keeps what it has done, and says how it ended. It
/// does not know that it may be replayed.
#[test]
fn program() {
    let Ok(folder) = std::env::var(FOLDER).map(PathBuf::from) else { return };
    // Nobody waits for one that hangs.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(120));
        std::process::abort();
    });
    let asked = std::env::var("HERSH_REPLAY").is_ok_and(|path| !path.is_empty());
    let config = Config {
        journal: Some(Journal::to(folder.join("journal"))),
        persist: Some(Persist::to(folder.join("values"))),
        ..Config::default()
    };
    let name = std::env::var(NAME).unwrap();
    let watcher = Watcher::builder().name(name).config(config).build().unwrap();
    let (own, twisted) = (watcher.downgrade(), std::env::var(TWISTED).is_ok());
    watcher
        .manage("count to three", move |message, ctx| {
            // In a replay nobody asks, and nobody waits: what counts is what was recorded.
            let answer = ctx.watch_call("answer", Duration::from_millis(1), move || {
                if asked { Err("asked") } else { Ok(42) }
            })?;
            let send = |content: &str| own.upgrade().unwrap().send_message(content);
            let Some(message) = message else {
                return if answer.triggered() { Ok(send("one")?) } else { Ok(()) };
            };
            ctx.set_value("last", message.content().to_owned());
            match message.content() {
                "one" if twisted => Err(ManagedError::stop("two is left out")),
                "one" => Ok(send("two")?),
                _ => Err(ManagedError::stop("enough")),
            }
        })
        .unwrap();
    match watcher.run() {
        Ok(report) => {
            let last = watcher.values()["last"].get::<String>().cloned().unwrap();
            say(&format!("{} after {last}", report.state));
            assert!(!asked || watcher.start().is_err(), "a journal is replayed once");
        }
        Err(StartError::Diverged(divergence)) => say(&format!("differs: {divergence}")),
        Err(error) => say(&format!("refused: {error}")),
    }
}

fn say(line: &str) {
    use std::io::Write;
    // Not `println!`, whose output the runner captures.
    std::io::stdout().write_all(format!("say {line}\n").as_bytes()).unwrap();
}

fn command(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rehearsal::program", "--nocapture"]);
    command.env(FOLDER, folder).env(NAME, name);
    command
}

fn replayed(folder: &Path, name: &str) -> Command {
    let mut command = command(folder, name);
    command.env("HERSH_REPLAY", folder.join("journal"));
    command.env("HERSH_REPLAY_REPORT", folder.join("report"));
    command
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let said = text.lines().find_map(|line| line.split_once("say ").map(|(_, said)| said));
    said.unwrap_or_default().to_owned()
}

fn report(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("report")).unwrap()).unwrap()
}

/// A recorded life, and all files that it has left.
fn lived() -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(said(&command(folder.path(), "three").output().unwrap()), "Stopped after two");
    let files = left(folder.path());
    (folder, files)
}

fn left(folder: &Path) -> Vec<Vec<u8>> {
    ["journal", "values"].map(|name| fs::read(folder.join(name)).unwrap()).into()
}

#[test]
fn a_program_goes_the_recorded_way_and_touches_nothing() {
    let (folder, files) = lived();
    // What it kept is not to be read either: the journal has it.
    fs::write(folder.path().join("values"), "no values at all").unwrap();
    let ran = replayed(folder.path(), "three").output().unwrap();
    assert_eq!(said(&ran), "Stopped after two");
    assert_eq!(fs::read(folder.path().join("values")).unwrap(), b"no values at all");
    assert_eq!(fs::read(folder.path().join("journal")).unwrap(), files[0]);
    let report = report(folder.path());
    assert!(report["divergence"].is_null() && report["torn"] == false, "{report}");
    assert!(report["transitions"].as_u64().unwrap() > 5, "{report}");
    assert!(!folder.path().join("journal.1").exists());
}

#[test]
fn another_program_is_found_out() {
    let (folder, files) = lived();
    let ran = replayed(folder.path(), "three").env(TWISTED, "1").output().unwrap();
    let words = said(&ran);
    assert!(words.starts_with("differs: transition "), "{words}");
    let divergence = &report(folder.path())["divergence"];
    assert_eq!(divergence["expected"], "Running -> Ready: returned", "{divergence}");
    assert_eq!(left(folder.path()), files);
}

#[test]
fn another_watcher_and_another_file_are_refused() {
    let (folder, files) = lived();
    let words = said(&replayed(folder.path(), "four").output().unwrap());
    assert!(words.starts_with("refused: ") && words.contains("\"three\""), "{words}");
    assert_eq!(report(folder.path())["problem"], words["refused: ".len()..]);
    let mut command = replayed(folder.path(), "three");
    let words = said(&command.env("HERSH_REPLAY", folder.path().join("values")).output().unwrap());
    assert!(words.contains("is not a journal"), "{words}");
    assert_eq!(left(folder.path()), files);
    let words = said(&replayed(folder.path(), "three").env("HERSH_REPLAY", "").output().unwrap());
    assert_eq!(words, "Stopped after two", "empty is not set");
}
