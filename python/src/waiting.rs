//! Waiting without being deaf to Ctrl-C.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// How long the main thread waits at one go. Python runs its signal handlers there and nowhere
/// else, and only while it is attached.
const SLICE: Duration = Duration::from_millis(100);

/// Repeats `step`, which waits at most for the time it is given, until it answers or `limit` has
/// passed. Between two steps the main thread minds signals: what their handlers raise ends the
/// wait.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    limit: Option<Duration>,
    mut step: impl FnMut(Option<Duration>) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let sliced = is_main_thread(py)?;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let go = if sliced { Some(left.map_or(SLICE, |left| left.min(SLICE))) } else { left };
        if let Some(answer) = py.detach(|| step(go)) {
            return Ok(Some(answer));
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(None);
        }
    }
}

/// Whether this is the thread that runs Python's signal handlers.
pub(crate) fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static THREADING: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let threading =
        THREADING.get_or_try_init(py, || py.import("threading").map(Bound::unbind))?.bind(py);
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}
