//! What `hersh dev` runs.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::super::child::ToRun;
use crate::client::upload::Rules;
use crate::output::{Exit, Failure};

#[derive(Debug, Default, Deserialize)]
struct ProjectFile {
    #[serde(default)]
    dev: DevSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DevSection {
    command: Option<DevCommand>,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DevCommand {
    // A line is a shell's; a list is run as it is.
    Line(String),
    Words(Vec<String>),
}

/// What to run in `dir`: what was typed, else what `hersh.toml` says, else what the folder looks
/// like.
pub(super) fn to_run(dir: &Path, typed: &[String]) -> Result<ToRun, Failure> {
    if let Some(command) = ToRun::new(typed) {
        return Ok(command);
    }
    if let Some(command) = command(&dir.join("hersh.toml"))? {
        return Ok(command);
    }
    let guess = if dir.join("Cargo.toml").is_file() {
        ToRun::new(["cargo", "run"])
    } else if dir.join("main.py").is_file() {
        let own = dir.join(".venv/bin/python");
        let python = if own.is_file() { own.into_os_string() } else { "python3".into() };
        ToRun::new([python, "main.py".into()])
    } else {
        None
    };
    guess.ok_or_else(|| {
        let what = format!("{} does not say what to run", dir.display());
        Failure::new(Exit::Usage, what).with_remedy(
            "write it after `--`, or as `command` under [dev] in hersh.toml, or name the program \
             main.py or Cargo.toml",
        )
    })
}

/// What of the folder changes without being a reason to run the program again, as `hersh.toml` says.
pub(super) fn ignored(dir: &Path) -> Result<Rules, Failure> {
    let path = dir.join("hersh.toml");
    let patterns = section(&path)?.ignore;
    Rules::parse(&patterns.join("\n")).map_err(|error| wrong(&path, &error.to_string()))
}

fn command(path: &Path) -> Result<Option<ToRun>, Failure> {
    match section(path)?.command {
        None => Ok(None),
        Some(DevCommand::Line(line)) => Ok(ToRun::new(["sh", "-c", &line])),
        Some(DevCommand::Words(words)) => match ToRun::new(words) {
            Some(command) => Ok(Some(command)),
            None => Err(wrong(path, "its command is empty")),
        },
    }
}

fn section(path: &Path) -> Result<DevSection, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DevSection::default()),
        Err(error) => return Err(wrong(path, &error.to_string())),
    };
    let file: Result<ProjectFile, _> = toml::from_str(&text);
    Ok(file.map_err(|error| wrong(path, &error.to_string()))?.dev)
}

fn wrong(path: &Path, reason: &str) -> Failure {
    Failure::new(Exit::Usage, format!("cannot use {}: {reason}", path.display())).with_remedy(
        "it should hold [dev] with command = \"…\" or [\"…\", …], and ignore = [\"…\"] if need be",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(files: &[(&str, &str)], typed: &[&str]) -> Result<String, Failure> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let typed: Vec<_> = typed.iter().map(|word| (*word).to_owned()).collect();
        to_run(dir.path(), &typed).map(|command| command.shown())
    }

    #[test]
    fn typed_then_written_then_guessed() {
        let rust = ("Cargo.toml", "");
        let own = ("hersh.toml", "[dev]\ncommand = ['make', 'run']\n");
        assert_eq!(shown(&[rust, own], &["./x", "-v"]).unwrap(), "`./x -v`");
        assert_eq!(shown(&[rust, own], &[]).unwrap(), "`make run`");
        assert_eq!(shown(&[rust], &[]).unwrap(), "`cargo run`");
        assert_eq!(shown(&[("main.py", "")], &[]).unwrap(), "`python3 main.py`");
        let line = ("hersh.toml", "[dev]\ncommand = 'a && b'\n");
        assert_eq!(shown(&[line], &[]).unwrap(), "`sh -c a && b`");
    }

    #[test]
    fn a_folder_that_says_nothing_and_a_file_that_says_nonsense() {
        assert_eq!(shown(&[], &[]).unwrap_err().exit(), Exit::Usage);
        for text in ["[dev]\ncommand = []", "[dev]\ncommand = 3", "[dev]\ncomand = 'x'", "["] {
            assert_eq!(shown(&[("hersh.toml", text)], &[]).unwrap_err().exit(), Exit::Usage);
        }
    }
}
