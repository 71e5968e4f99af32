//! `hersh replay`: a journal, and what comes of it once more.
//!
//! The file is checked line by line and summed up; then its inputs are given to the watcher's state
//! machine again. Whether the program would do the same again only the program can say: it is run
//! over the journal when it is named ([`program`]). Else a function made up from the record stands in
//! its place ([`script`]).

mod journal;
mod program;
mod script;
mod summary;

use std::path::Path;
use std::time::Duration;

use hersh::{Replay, ReplayError, Replayed};
use serde::Serialize;

use self::journal::Journal;
use self::script::Script;
use self::summary::Summary;
use super::Session;
use super::child::ToRun;
use crate::args::ReplayArgs;
use crate::output::text::one_line;
use crate::output::{Exit, Failure};

#[derive(Serialize)]
struct Report<'a> {
    journal: &'a Path,
    #[serde(flatten)]
    summary: &'a Summary,
    replayed: Once,
}

// What the second run has shown.
#[derive(Debug, Default, Serialize)]
struct Once {
    // What ran; none when the record stood in for the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<Vec<String>>,
    inputs: u64,
    transitions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<Divergence>,
    // Why it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Divergence {
    index: u64,
    seconds: f64,
    expected: Option<String>,
    found: Option<String>,
}

pub(super) fn run(args: &ReplayArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut journal = Journal::open(&args.journal)?;
    session.output.status("reading the journal");
    let show = args.transitions && !session.output.style().json;
    let (summary, script) = summary::read(&mut journal, |at, change| {
        if show {
            session.output.data(transition(at, change))?;
        }
        Ok(())
    })?;
    session.output.status("running it once more");
    let mut once = match ToRun::new(&args.command) {
        Some(command) => {
            let limit = Duration::from_secs(args.timeout);
            program::replay(&args.journal, &command, limit, &mut session.output)?
        }
        None => run_once_more(&args.journal, script),
    };
    once.program = (!args.command.is_empty()).then(|| args.command.clone());
    if session.output.style().json {
        let report = Report { journal: &args.journal, summary: &summary, replayed: once };
        session.output.json(&report)?;
        return Ok(report.exit());
    }
    let gap = if show { "\n" } else { "" };
    session.output.data(format!("{gap}{}", summary.render()))?;
    judge(&summary, &once, session)
}

fn transition(at: Duration, change: &str) -> String {
    format!("{:>14.6}  {}\n", at.as_secs_f64(), one_line(change))
}

impl Report<'_> {
    fn exit(&self) -> Exit {
        let bad = self.summary.contradiction.is_some()
            || self.replayed.divergence.is_some()
            || self.replayed.program_failed();
        if bad { Exit::Failed } else { Exit::Ok }
    }
}

impl Once {
    // That the record cannot stand in for the program is no fault of either; a program that cannot
    // be run over its own journal is one.
    fn program_failed(&self) -> bool {
        self.program.is_some() && self.problem.is_some()
    }
}

fn run_once_more(path: &Path, script: Script) -> Once {
    match Replay::of(path).run(script.into_function()) {
        Ok(Replayed { inputs, transitions, divergence, .. }) => {
            let divergence = divergence.map(|found| Divergence {
                index: found.index,
                seconds: found.at.as_secs_f64(),
                expected: found.expected,
                found: found.found,
            });
            Once { inputs, transitions, divergence, ..Once::default() }
        }
        Err(error) => Once { problem: Some(words(&error)), ..Once::default() },
    }
}

fn words(error: &ReplayError) -> String {
    match error {
        ReplayError::Value { name, .. } => {
            format!("the values of {name} are not in the journal, as they have no JSON form")
        }
        other => other.to_string(),
    }
}

fn judge(summary: &Summary, once: &Once, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if let Some(contradiction) = &summary.contradiction {
        return Err(Failure::new(
            Exit::Failed,
            format!("the record contradicts itself: {contradiction}"),
        )
        .with_remedy("it was changed after it was written, or lines are missing"));
    }
    if let Some(found) = &once.divergence {
        return Err(differs(found, once.program.is_some()));
    }
    if let Some(problem) = &once.problem {
        if once.program_failed() {
            let what = format!("the program could not be run over the journal: {problem}");
            return Err(Failure::new(Exit::Failed, what).with_remedy("what it wrote is above"));
        }
        session.output.warn(format!("not run once more: {problem}"));
    } else {
        let good = session.output.good("the same");
        let count = once.transitions;
        session.output.say(format!("run once more: {count} changes of state, all {good}"));
    }
    Ok(Exit::Ok)
}

fn differs(found: &Divergence, by_program: bool) -> Failure {
    let or_none = |what: &Option<String>| what.clone().unwrap_or("no change".to_owned());
    let (who, remedy) = if by_program {
        ("the program", "it was changed since, or something beside its inputs decides what it does")
    } else {
        (
            "this hersh",
            "it was written by another version of hersh, or changed after it was written",
        )
    };
    let what = format!(
        "transition {}, at {:.6} s, differs: the journal says {}, {who} says {}",
        found.index,
        found.seconds,
        or_none(&found.expected),
        or_none(&found.found)
    );
    Failure::new(Exit::Failed, what).with_remedy(remedy)
}
