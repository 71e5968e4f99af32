//! What a test has arranged for the polls of a simulated watcher.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use pyo3::prelude::*;

use crate::shared::lock;

/// What one poll is to bring, in place of its function.
pub(crate) enum Scripted {
    Value(Py<PyAny>),
    Failure(String),
}

/// Results in line, by the name of the variable.
#[derive(Default)]
pub(crate) struct Scripts {
    lines: Mutex<HashMap<String, VecDeque<Scripted>>>,
}

impl Scripts {
    pub(crate) fn push(&self, name: &str, results: impl IntoIterator<Item = Scripted>) {
        lock(&self.lines).entry(name.to_owned()).or_default().extend(results);
    }

    pub(crate) fn next(&self, name: &str) -> Option<Scripted> {
        lock(&self.lines).get_mut(name)?.pop_front()
    }
}
