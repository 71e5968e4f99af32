//! What an execution sees of a watched variable.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::brain::{Data, Value, Var};

/// A watched variable as one execution sees it.
///
/// It stays as it is while the execution lasts, whatever the source brings meanwhile.
#[derive(Clone)]
pub struct Watched<T> {
    value: Option<Value>,
    error: Option<Arc<str>>,
    triggered: bool,
    of: PhantomData<fn() -> T>,
}

impl<T: Data> Watched<T> {
    pub(crate) fn new(var: &Var, triggered: bool) -> Self {
        Self { value: var.value.clone(), error: var.error.clone(), triggered, of: PhantomData }
    }

    /// The current value; `None` until the first has come.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref().and_then(Value::get)
    }

    /// The words of the last poll, if it failed. The value is then the last good one.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether a value has ever come.
    pub fn updated(&self) -> bool {
        self.value.is_some()
    }

    /// Whether a change of this variable triggered this execution.
    pub fn triggered(&self) -> bool {
        self.triggered
    }
}

impl<T: Data + fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("value", &self.value())
            .field("error", &self.error)
            .field("triggered", &self.triggered)
            .finish()
    }
}
