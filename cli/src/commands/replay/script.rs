//! The part of a managed function that a journal remembers: which variables it watched, and how
//! each of its executions ended.
//!
//! With that a function can be made up that stands in for the real one: given the recorded inputs,
//! the watcher's state machine must then go the recorded way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hersh::{Context, ManagedError, Message};
use serde_json::Value as Json;

use super::journal::{Entry, Line};

/// What the stand-in does.
#[derive(Debug, Default)]
pub(super) struct Script {
    variables: BTreeMap<String, Seen>,
    // Which of two variables was registered first, as the causes of executions tell it.
    before: BTreeSet<(String, String)>,
    // Executions that ended otherwise than by returning, by their number in the journal from 0.
    endings: BTreeMap<u64, Ending>,
    begun: u64,
    returned: bool,
    asked_to_stop: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Failed,
    Stop(String),
    Kill(String),
    Crash(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    #[default]
    None,
    Equal,
    Different,
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<Json>,
    // What has come since variables last caused an execution.
    news: News,
    // An equal value has caused an execution: a channel or a timer; or none: a poll.
    counted: bool,
    passed_over: bool,
}

impl Seen {
    // A poll may count equal values where it was declared anew; a channel never passes one over.
    fn is_stream(&self) -> bool {
        self.counted && !self.passed_over
    }
}

/// Whether a transition into this state begins an execution of the managed function.
pub(super) fn begins_execution(to: &str) -> bool {
    matches!(to, "InitRun" | "Running")
}

impl Script {
    /// Takes the next line of the journal into account.
    pub(super) fn follow(&mut self, line: &Line) {
        match &line.what {
            Entry::Value { name, value } => self.value(name, value.get("json")),
            Entry::Changed(named)
            | Entry::Same(named)
            | Entry::Failed(named)
            | Entry::Closed(named) => {
                self.variables.entry(named.name.clone()).or_default().news = News::Different;
            }
            Entry::Returned(_) => self.returned = true,
            // A session begins without values.
            Entry::Start(_) => self.variables.values_mut().for_each(|seen| seen.last = None),
            Entry::Stop { reason } => {
                self.asked_to_stop.insert(reason.clone());
            }
            Entry::Transition { to, cause, .. } => {
                // A cleanup may come between the return and what comes of it, and news meanwhile.
                let returned = std::mem::take(&mut self.returned);
                if returned && let Some(ending) = self.ending(cause) {
                    self.endings.insert(self.begun.saturating_sub(1), ending);
                }
                if begins_execution(to) {
                    self.begun += 1;
                    self.begin(cause);
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, name: &str, value: Option<&Json>) {
        let seen = self.variables.entry(name.to_owned()).or_default();
        let differs = value.is_none() || seen.last.as_ref() != value;
        seen.news = seen.news.max(if differs { News::Different } else { News::Equal });
        seen.last = value.cloned();
    }

    // An execution begins, because of this. Equal values that caused it came from a stream.
    fn begin(&mut self, cause: &str) {
        let named: Vec<&str> = cause
            .strip_prefix("variables ")
            .map_or(Vec::new(), |names| names.split(", ").collect());
        let pairs = named.windows(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
        self.before.extend(pairs);
        if named.is_empty() {
            return;
        }
        for (name, seen) in &mut self.variables {
            if std::mem::take(&mut seen.news) == News::Equal {
                let counts = named.contains(&name.as_str());
                seen.counted |= counts;
                seen.passed_over |= !counts;
            }
        }
    }

    // What the function did, from what came of it.
    fn ending(&self, cause: &str) -> Option<Ending> {
        let words = |prefix: &str| cause.strip_prefix(prefix).map(str::to_owned);
        if cause == "returned an error" {
            Some(Ending::Failed)
        } else if let Some(reason) = words("stop: ") {
            // Where somebody had asked for the stop, the function need not have.
            (!self.asked_to_stop.contains(&reason)).then_some(Ending::Stop(reason))
        } else if let Some(reason) = words("kill: ") {
            Some(Ending::Kill(reason))
        } else {
            words("crash: ").map(Ending::Crash)
        }
    }

    /// The stand-in.
    pub(super) fn into_function(
        self,
    ) -> impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static {
        let names = in_order(self.variables.keys(), &self.before);
        let streams = self.variables.into_iter().filter(|(_, seen)| seen.is_stream());
        let streams: BTreeSet<String> = streams.map(|(name, _)| name).collect();
        let endings = self.endings;
        let mut execution = 0;
        move |_, context| {
            for name in &names {
                // One that is refused has no news here, and that shows in what comes of it.
                let _ = if streams.contains(name) {
                    context.watch_flow_latest::<Json>(name, &crossbeam_channel::never()).map(drop)
                } else {
                    let never_asked = || Err::<Json, _>("a replay polls nothing");
                    context.watch_call(name, Duration::from_secs(1), never_asked).map(drop)
                };
            }
            let ending = endings.get(&execution);
            execution += 1;
            match ending {
                None => Ok(()),
                Some(Ending::Failed) => Err("an error, as recorded".into()),
                Some(Ending::Stop(reason)) => Err(ManagedError::stop(reason.clone())),
                Some(Ending::Kill(reason)) => Err(ManagedError::kill(reason.clone())),
                Some(Ending::Crash(reason)) => Err(ManagedError::crash(reason.clone())),
            }
        }
    }
}

// The names, so that of each pair the first comes before the second; what no pair decides, in the
// order of the alphabet.
fn in_order<'a>(
    names: impl Iterator<Item = &'a String>,
    before: &BTreeSet<(String, String)>,
) -> Vec<String> {
    let mut left: BTreeSet<&String> = names.collect();
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(any) = left.first().copied() {
        let waits = |name: &String| {
            before.iter().any(|(first, second)| second == name && left.contains(first))
        };
        // In a circle, which no watcher makes, any is as good as another.
        let next = left.iter().copied().find(|name| !waits(name)).unwrap_or(any);
        left.remove(next);
        ordered.push(next.clone());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_order_in_which_they_were_registered() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let before = BTreeSet::from([pair("d", "a"), pair("c", "b")]);
        assert_eq!(in_order(names.iter(), &before), ["c", "b", "d", "a"]);
        let circle = BTreeSet::from([pair("a", "b"), pair("b", "a")]);
        assert_eq!(in_order(names[..2].iter(), &circle), ["a", "b"]);
    }
}
