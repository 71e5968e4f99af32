//! What a journal amounts to.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::journal::{Entry, Journal, Line};
use super::script::Script;
use crate::output::Failure;
use crate::output::table::{Table, fields};

/// One run, in figures.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    watcher: String,
    run: u64,
    parts: u64,
    /// When its first input came.
    began: String,
    /// From the first entry to the last.
    seconds: f64,
    sessions: u64,
    executions: u64,
    messages: u64,
    inputs: u64,
    pub(super) variables: Vec<Variable>,
    transitions: u64,
    /// The state at the end.
    state: String,
    torn: bool,
    /// Where the record contradicts itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contradiction: Option<String>,
}

/// One variable, and what came of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Variable {
    pub(super) name: String,
    values: u64,
    unchanged: u64,
    failures: u64,
    skipped_ticks: u64,
    /// Its values had no JSON form, and were not recorded.
    unrecorded: u64,
}

/// Reads the whole journal; `seen` is shown each change of state, in words.
pub(super) fn read(
    journal: &mut Journal,
    mut seen: impl FnMut(Duration, &str) -> Result<(), Failure>,
) -> Result<(Summary, Script), Failure> {
    let header = &journal.header;
    let mut summary = Summary {
        watcher: header.watcher.clone(),
        run: header.run,
        parts: journal.parts,
        state: "NotRun".to_owned(),
        ..Summary::default()
    };
    let epoch = UNIX_EPOCH + Duration::from_nanos(header.epoch_ns);
    let mut script = Script::default();
    let mut variables = BTreeMap::new();
    let mut first = None;
    while let Some(line) = journal.next_line()? {
        let at = Duration::from_nanos(line.at);
        let began = *first.get_or_insert(at);
        summary.seconds = at.saturating_sub(began).as_secs_f64();
        script.follow(&line);
        if let Entry::Transition { from, to, cause } = &line.what {
            seen(at, &format!("{from} -> {to}: {cause}"))?;
        }
        summary.count(line, &mut variables);
    }
    if let Some(first) = first {
        summary.began = humantime::format_rfc3339_millis(epoch + first).to_string();
    }
    summary.torn = journal.torn();
    summary.variables = variables.into_values().collect();
    Ok((summary, script))
}

fn of(variables: &mut BTreeMap<String, Variable>, name: String) -> &mut Variable {
    let new = Variable { name: name.clone(), ..Variable::default() };
    variables.entry(name).or_insert(new)
}

impl Summary {
    fn count(&mut self, line: Line, variables: &mut BTreeMap<String, Variable>) {
        self.inputs += 1;
        match line.what {
            Entry::Start(_) => self.sessions += 1,
            Entry::Message(_) => self.messages += 1,
            Entry::Value { name, value } => {
                let variable = of(variables, name);
                variable.values += 1;
                variable.unrecorded += u64::from(value.contains_key("opaque"));
            }
            Entry::Changed(named) => of(variables, named.name).values += 1,
            Entry::Same(named) => of(variables, named.name).unchanged += 1,
            Entry::Failed(named) | Entry::Closed(named) => of(variables, named.name).failures += 1,
            Entry::Skipped { name, ticks } => of(variables, name).skipped_ticks += ticks,
            Entry::Transition { from, to, cause } => {
                self.inputs -= 1;
                self.executions += u64::from(super::script::begins_execution(&to));
                if from != self.state && self.contradiction.is_none() {
                    let (index, state) = (self.transitions, &self.state);
                    let words = format!(
                        "transition {index} ({from} -> {to}: {cause}) begins in {from}, \
                         but the one before ended in {state}"
                    );
                    self.contradiction = Some(words);
                }
                self.transitions += 1;
                self.state = to;
            }
            Entry::Serve
            | Entry::Returned(_)
            | Entry::CleanedUp(_)
            | Entry::Stop { .. }
            | Entry::Kill(_)
            | Entry::Elapsed => {}
        }
    }

    /// For people.
    pub(super) fn render(&self) -> String {
        let some = |count: u64| if count == 0 { String::new() } else { count.to_string() };
        let torn = if self.torn { "the last line is not whole: a sudden end" } else { "" };
        let mut text = fields(&[
            ("watcher", self.watcher.clone()),
            ("run", format!("{:016x}", self.run)),
            ("files", self.parts.to_string()),
            ("began", self.began.clone()),
            ("took", format!("{:.3} s", self.seconds)),
            ("sessions", self.sessions.to_string()),
            ("inputs", self.inputs.to_string()),
            ("messages", self.messages.to_string()),
            ("executions", self.executions.to_string()),
            ("transitions", self.transitions.to_string()),
            ("state", self.state.clone()),
            ("end", torn.to_owned()),
        ]);
        if !self.variables.is_empty() {
            let mut table = Table::new(&[
                "VARIABLE",
                "VALUES",
                "UNCHANGED",
                "FAILURES",
                "SKIPPED",
                "UNRECORDED",
            ]);
            for variable in &self.variables {
                let counts = [
                    variable.values,
                    variable.unchanged,
                    variable.failures,
                    variable.skipped_ticks,
                    variable.unrecorded,
                ];
                let name = std::iter::once(variable.name.clone());
                table.row(name.chain(counts.into_iter().map(some)));
            }
            text.push('\n');
            text.push_str(&table.render());
        }
        text
    }
}
