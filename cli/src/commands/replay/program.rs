//! The program itself over its journal.
//!
//! It is run as ever, with `HERSH_REPLAY` set: its watcher then goes the recorded way instead of
//! living (`hersh::Watcher::start`), and writes what came of it to a file of ours. What it would do
//! to the world by itself is kept apart from the real thing as far as that can be done from outside:
//! its state is an empty folder, its WatcherAPI gets a port of its own.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crossbeam_channel::{after, never, select, tick};
use serde::Deserialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use tempfile::TempDir;

use super::super::child::{Child, Ended, ToRun};
use super::super::signals;
use super::{Divergence, Once};
use crate::output::{Exit, Failure, Output};

const LOOK_EVERY: Duration = Duration::from_millis(50);
// What a program has for its own end once its replay is over.
const OWN_END: Duration = Duration::from_secs(2);
// And then, once it was asked to end.
const GRACE: Duration = Duration::from_secs(10);

/// What the program's watcher has written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Report {
    Problem { problem: String },
    Replayed { inputs: u64, transitions: u64, divergence: Option<Change> },
}

#[derive(Deserialize)]
struct Change {
    index: u64,
    at_ns: u64,
    expected: Option<String>,
    found: Option<String>,
}

impl From<Report> for Once {
    fn from(report: Report) -> Self {
        match report {
            Report::Problem { problem } => Self { problem: Some(problem), ..Self::default() },
            Report::Replayed { inputs, transitions, divergence } => {
                let divergence = divergence.map(|found| Divergence {
                    index: found.index,
                    seconds: Duration::from_nanos(found.at_ns).as_secs_f64(),
                    expected: found.expected,
                    found: found.found,
                });
                Self { inputs, transitions, divergence, ..Self::default() }
            }
        }
    }
}

/// How far the program is.
enum Phase {
    Replaying,
    Replayed,
    AskedToEnd,
}

/// Runs the program; its output goes to standard error, as it is no data of this command.
pub(super) fn replay(
    journal: &Path,
    command: &ToRun,
    limit: Duration,
    output: &mut Output,
) -> Result<Once, Failure> {
    let signals = signals::caught(&[SIGINT, SIGTERM], 1)?;
    let place = Place::new(journal)?;
    output.detail(format!("running {} with HERSH_REPLAY={}", command.shown(), journal.display()));
    let here = std::env::current_dir()?;
    let mut child = Child::start(command, &here, place.variables(), Stdio::from(io::stderr()))?;
    let (ended, mut looks, mut deadline) = (child.ended(), tick(LOOK_EVERY), after(limit));
    let mut phase = Phase::Replaying;
    loop {
        select! {
            recv(ended) -> end => {
                return place.result()?.ok_or_else(|| took_no_part(command, end.unwrap_or(Ended::Unknown)));
            },
            recv(looks) -> _ => if place.report.exists() {
                (phase, looks, deadline) = (Phase::Replayed, never(), after(OWN_END));
            },
            recv(signals) -> _ => {
                child.kill();
                return Err(Failure::new(Exit::Interrupted, "interrupted, and the program is ended")
                    .with_remedy("the journal is as it was"));
            },
            recv(deadline) -> _ => match phase {
                Phase::Replaying => {
                    child.kill();
                    return Err(too_long(command, limit));
                }
                Phase::Replayed => {
                    output.detail("the program goes on after its replay: it is asked to end");
                    child.signal(SIGTERM);
                    (phase, deadline) = (Phase::AskedToEnd, after(GRACE));
                }
                Phase::AskedToEnd => child.kill(),
            },
        }
    }
}

fn took_no_part(command: &ToRun, ended: Ended) -> Failure {
    let how = ended.badly().unwrap_or_else(|| "the program ended well".to_owned());
    let what =
        format!("{} replayed nothing: {how}, and no watcher of it was started", command.shown());
    Failure::new(Exit::Failed, what).with_remedy(
        "it must start its watcher, with a hersh as new as this and its feature `journal`; what it \
         wrote is above",
    )
}

fn too_long(command: &ToRun, limit: Duration) -> Failure {
    let what =
        format!("{} did not come to the end of its replay within {limit:?}", command.shown());
    Failure::new(Exit::TimedOut, what)
        .with_remedy("it was ended; give it longer with --timeout, or see where it hangs")
}

/// What the program is given instead of its own places.
struct Place {
    journal: PathBuf,
    report: PathBuf,
    state: PathBuf,
    _folder: TempDir,
}

impl Place {
    fn new(journal: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(Exit::Failed, format!("cannot make a folder for the replay: {error}"))
                .with_remedy(
                    "see that there is room in the folder for temporary files, or set TMPDIR",
                )
        };
        let folder = tempfile::Builder::new().prefix("hersh-replay-").tempdir().map_err(failed)?;
        let (report, state) = (folder.path().join("report.json"), folder.path().join("state"));
        std::fs::create_dir(&state).map_err(failed)?;
        // The program may change its folder before it starts its watcher.
        let journal = std::path::absolute(journal).map_err(failed)?;
        Ok(Self { journal, report, state, _folder: folder })
    }

    fn variables(&self) -> [(&'static str, OsString); 4] {
        [
            ("HERSH_REPLAY", self.journal.clone().into()),
            ("HERSH_REPLAY_REPORT", self.report.clone().into()),
            ("HERSH_STATE_DIR", self.state.clone().into()),
            ("HERSH_API_ADDR", "127.0.0.1:0".into()),
        ]
    }

    /// What came of it; none when the program took no part.
    fn result(&self) -> Result<Option<Once>, Failure> {
        let text = match std::fs::read(&self.report) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::from(error)),
        };
        let report: Result<Report, _> = serde_json::from_slice(&text);
        report.map(|report| Some(report.into())).map_err(|error| {
            Failure::new(Exit::Failed, format!("the program's report makes no sense: {error}"))
                .with_remedy("use the hersh that the program was built with")
        })
    }
}
