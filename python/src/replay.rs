//! Running a managed function over a journal.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::callbacks::{execute, take_interrupt};
use crate::errors;
use crate::json;
use crate::shared::{Mode, Shared, lock};

/// Gives the inputs of a journal to a function again, without waiting, on this thread.
#[pyfunction]
#[pyo3(signature = (journal, r#fn, *, env=None))]
pub(crate) fn replay(
    py: Python<'_>,
    journal: PathBuf,
    r#fn: &Bound<'_, PyAny>,
    env: Option<HashMap<String, String>>,
) -> PyResult<Replayed> {
    if !r#fn.is_callable() {
        return Err(PyTypeError::new_err(format!("{} cannot be called", json::repr(r#fn))));
    }
    let shared = Arc::new(Shared::new(Mode::Replayed));
    *lock(&shared.managed) = Some(r#fn.clone().unbind());
    let environment = env.unwrap_or_default().into_iter();
    let replay =
        environment.fold(hersh::Replay::of(journal), |replay, (key, value)| replay.env(key, value));
    let weak = Arc::downgrade(&shared);
    let managed = move |message: Option<&_>, context: &_| execute(&weak, message, context);
    let replayed = py.detach(|| replay.run(managed));
    take_interrupt()?;
    Replayed::new(py, replayed.map_err(|error| errors::replay(&error))?)
}

/// What a replay has shown.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Replayed {
    /// Inputs that were given.
    #[pyo3(get)]
    inputs: u64,
    /// Changes of state that were the same as recorded.
    #[pyo3(get)]
    transitions: u64,
    divergence: Option<Py<Divergence>>,
    /// Whether the journal's last line is not whole, as a sudden end leaves it.
    #[pyo3(get)]
    torn: bool,
}

impl Replayed {
    fn new(py: Python<'_>, replayed: hersh::Replayed) -> PyResult<Self> {
        let divergence = replayed.divergence.map(|found| Py::new(py, Divergence(found)));
        Ok(Self {
            inputs: replayed.inputs,
            transitions: replayed.transitions,
            divergence: divergence.transpose()?,
            torn: replayed.torn,
        })
    }
}

#[pymethods]
impl Replayed {
    /// The first change of state that was not, if any.
    #[getter]
    fn divergence(&self, py: Python<'_>) -> Option<Py<Divergence>> {
        self.divergence.as_ref().map(|divergence| divergence.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        let divergence = self
            .divergence
            .as_ref()
            .map_or("None".to_owned(), |found| format!("<{}>", found.get().0));
        let torn = if self.torn { "True" } else { "False" };
        format!(
            "Replayed(inputs={}, transitions={}, divergence={divergence}, torn={torn})",
            self.inputs, self.transitions
        )
    }
}

/// The first change of state that differs from the record.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct Divergence(hersh::Divergence);

#[pymethods]
impl Divergence {
    /// Its number among all changes of state, from 0.
    #[getter]
    fn index(&self) -> u64 {
        self.0.index
    }

    /// When, in seconds since the watcher was built.
    #[getter]
    fn at(&self) -> f64 {
        self.0.at.as_secs_f64()
    }

    /// What the journal says; ``None`` when it says nothing happened.
    #[getter]
    fn expected(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// What happened in the replay; ``None`` when nothing did.
    #[getter]
    fn found(&self) -> Option<&str> {
        self.0.found.as_deref()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Divergence at {}>", self.0)
    }
}
