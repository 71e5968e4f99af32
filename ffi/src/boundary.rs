//! The boundary: every exported function runs its work in here, and nothing but numbers gets out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::{Answer, Failure, remember};
use crate::status::HershStatus;

/// Runs the work of a function that answers with a status.
pub(crate) fn status(work: impl FnOnce() -> Answer) -> HershStatus {
    match caught(work) {
        Ok(()) => HershStatus::Ok,
        Err(failure) => {
            remember(&failure);
            failure.status
        }
    }
}

/// Runs the work of a function that answers with a value, and with `otherwise` when it fails.
pub(crate) fn value<T>(otherwise: T, work: impl FnOnce() -> Answer<T>) -> T {
    caught(work).unwrap_or_else(|failure| {
        remember(&failure);
        otherwise
    })
}

/// A panic is a defect of hersh, as no code of the caller runs in here: its callbacks are C, which
/// does not panic.
fn caught<T>(work: impl FnOnce() -> Answer<T>) -> Answer<T> {
    let work = || {
        #[cfg(test)]
        tests::trip();
        work()
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let words = words(&*payload).unwrap_or("a panic without words");
        // Dropping a payload may panic in its turn; forgetting it costs a few bytes, once.
        let failure = Failure::new(HershStatus::Panic, format!("hersh panicked: {words}"));
        std::mem::forget(payload);
        Err(failure)
    })
}

/// Runs virtual time. That what it runs never comes to rest is the doing of the program that is
/// tested, and no defect.
pub(crate) fn restful<T>(work: impl FnOnce() -> T) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match words(&*payload) {
        Some(words) if words.contains("not come to rest") => {
            Failure::new(HershStatus::Limit, words)
        }
        _ => resume_unwind(payload),
    })
}

fn words(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        static ARMED: Cell<bool> = const { Cell::new(false) };
    }

    /// Panics if the test of this thread has asked for it.
    pub(super) fn trip() {
        assert!(!ARMED.replace(false), "injected");
    }

    /// The next call of an exported function on this thread panics inside.
    pub(crate) fn arm() {
        ARMED.set(true);
    }

    /// Whether the last armed call has been made and has panicked.
    pub(crate) fn tripped() -> bool {
        !ARMED.get()
    }
}
