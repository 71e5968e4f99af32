//! SIGINT and SIGTERM while a watcher runs on the main thread.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::shared::lock;
use crate::watcher::Watcher;

/// Has SIGINT and SIGTERM stop a watcher until dropped; the handlers before come back then.
pub(crate) struct Signals {
    before: Vec<(Py<PyAny>, Py<PyAny>)>,
}

impl Signals {
    pub(crate) fn catch(watcher: &Bound<'_, Watcher>) -> PyResult<Self> {
        let py = watcher.py();
        let (watcher, seen) = (watcher.clone().unbind(), Mutex::new(0_u32));
        let handle = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let core = watcher.get().core()?;
            let times = {
                let mut seen = lock(&seen);
                *seen += 1;
                *seen
            };
            arguments.py().detach(|| match times {
                1 => core.request_stop("the process was asked to end"),
                _ => core.kill(),
            });
            PyResult::Ok(())
        };
        let handler = PyCFunction::new_closure(py, Some(c"stop"), None, handle)?;
        let signal = py.import("signal")?;
        let mut caught = Self { before: Vec::new() };
        for name in ["SIGINT", "SIGTERM"] {
            let number = signal.getattr(name)?;
            let before = signal.call_method1("signal", (&number, &handler))?;
            caught.before.push((number.unbind(), before.unbind()));
        }
        Ok(caught)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        Python::attach(|py| {
            for (number, before) in self.before.drain(..) {
                // One that was not set from Python cannot be set from there again.
                let restored = py.import("signal").and_then(|signal| {
                    let before = if before.is_none(py) {
                        signal.getattr("SIG_DFL")?.unbind()
                    } else {
                        before
                    };
                    signal.call_method1("signal", (number, before))
                });
                if let Err(error) = restored {
                    error.write_unraisable(py, None);
                }
            }
        });
    }
}
