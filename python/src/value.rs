//! A Python object as a value of the core.

use std::fmt;
use std::sync::Arc;

use pyo3::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::interpreter::enter;
use crate::json;

/// Any Python object. Clones are the same object, and are made without the interpreter.
///
/// The core compares values under its lock, where no Python code may run, so equality here is
/// identity. Who needs Python's own `==` asks it beforehand and hands in the old value again when
/// nothing has changed, as polls do.
#[derive(Clone)]
pub(crate) struct Object(Arc<Py<PyAny>>);

impl Object {
    pub(crate) fn new(object: Py<PyAny>) -> Self {
        Self(Arc::new(object))
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Py<PyAny> {
        self.0.clone_ref(py)
    }

    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// For memos, which are shown by their `repr`.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = enter(|py| json::repr(self.bind(py)));
        f.write_str(shown.as_deref().unwrap_or("a Python object"))
    }
}

/// As JSON where it is made of JSON's types, else as its `repr`.
impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = enter(|py| json::from_python(self.bind(py)));
        shown.unwrap_or(serde_json::Value::Null).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let made = enter(|py| match json::to_python(py, &value) {
            Ok(object) => Ok(Self::new(object.unbind())),
            Err(error) => Err(error.to_string()),
        });
        made.unwrap_or_else(|| Err("the interpreter is ending".to_owned()))
            .map_err(serde::de::Error::custom)
    }
}
