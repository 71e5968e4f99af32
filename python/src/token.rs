//! Stopping watchers from above.

use pyo3::prelude::*;

use crate::config;
use crate::interpreter::{generation, survived};

/// Stops every watcher that has it as its parent, when it is cancelled or its time is over.
#[pyclass(frozen, module = "hersh")]
pub(crate) struct CancelToken {
    token: hersh::CancelToken,
    made: u32,
}

impl CancelToken {
    pub(crate) fn token(&self) -> PyResult<&hersh::CancelToken> {
        survived(self.made, "CancelToken")?;
        Ok(&self.token)
    }
}

#[pymethods]
impl CancelToken {
    #[new]
    #[pyo3(signature = (timeout=None))]
    fn new(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let timeout = config::timeout(timeout)?;
        let token = timeout.map_or_else(hersh::CancelToken::new, hersh::CancelToken::with_timeout);
        Ok(Self { token, made: generation() })
    }

    /// Asks the watchers to stop in good order. Does not wait for them.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let token = self.token()?;
        py.detach(|| token.cancel());
        Ok(())
    }

    /// Whether it was cancelled, or its time is over.
    #[getter]
    fn cancelled(&self) -> PyResult<bool> {
        Ok(self.token()?.is_cancelled())
    }

    fn __repr__(&self) -> &'static str {
        if self.token.is_cancelled() { "<CancelToken, cancelled>" } else { "<CancelToken>" }
    }
}
