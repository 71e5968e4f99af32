//! Clocks that are moved by hand, and the bells of stores.

use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;

use super::reading::seconds;
use crate::config;
use crate::shared::lock;

/// A clock that stands still until it is moved: for tests and simulations.
#[pyclass(frozen, module = "hersh.kharon")]
#[derive(Default)]
pub(crate) struct VirtualClock(pub(crate) Arc<hersh::kharon::VirtualClock>);

#[pymethods]
impl VirtualClock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The time; it begins at 2025-01-01 00:00 UTC.
    fn now(&self) -> f64 {
        seconds(hersh::kharon::Clock::now(&*self.0))
    }

    /// Moves the clock on.
    fn advance(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(config::seconds(seconds, "seconds")?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<VirtualClock at {}>", self.now())
    }
}

/// What idle workers listen for.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct Bell(Weak<hersh::kharon::Bell>);

impl Bell {
    pub(crate) fn of(bell: &Arc<hersh::kharon::Bell>) -> Self {
        Self(Arc::downgrade(bell))
    }
}

#[pymethods]
impl Bell {
    /// So many tickets may have become ready.
    #[pyo3(signature = (tickets=1))]
    fn ring(&self, py: Python<'_>, tickets: usize) {
        if let Some(bell) = self.0.upgrade() {
            py.detach(|| bell.ring(tickets));
        }
    }
}

/// The bells that a store rings.
#[pyclass(frozen, module = "hersh.kharon")]
#[derive(Default)]
pub(crate) struct Bells(Mutex<Vec<Weak<hersh::kharon::Bell>>>);

#[pymethods]
impl Bells {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Rings this one too from now on, as long as somebody listens.
    fn hang(&self, bell: &Bound<'_, Bell>) {
        let mut hung = lock(&self.0);
        hung.retain(|bell| bell.strong_count() > 0);
        hung.push(bell.get().0.clone());
    }

    /// Rings them all: so many tickets may have become ready.
    #[pyo3(signature = (tickets=1))]
    fn ring(&self, py: Python<'_>, tickets: usize) {
        let hung: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        py.detach(|| hung.iter().for_each(|bell| bell.ring(tickets)));
    }
}
