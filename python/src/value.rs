//! A Python object as a value of the core.

use std::fmt;
use std::sync::Arc;

use pyo3::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

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

    /// The one reference that all clones of this share. For Python's garbage collector, if they all
    /// belong to whoever shows it: what Python is given has a reference of its own.
    pub(crate) fn reference(&self) -> &Py<PyAny> {
        &self.0
    }

    /// The same, if there are no clones.
    pub(crate) fn sole(&self) -> Option<&Py<PyAny>> {
        (Arc::strong_count(&self.0) == 1).then_some(&*self.0)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// As JSON. An object that is not made of JSON's types is refused, with its `repr` as the reason:
/// so it is shown, and never written to a file from which it would come back as a text.
impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = enter(|py| {
            let object = self.bind(py);
            json::from_python(object).ok_or_else(|| json::repr(object))
        });
        match shown {
            Some(Ok(json)) => json.serialize(serializer),
            Some(Err(repr)) => Err(ser::Error::custom(repr)),
            None => Err(ser::Error::custom("the interpreter is ending")),
        }
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
            .map_err(de::Error::custom)
    }
}

/// The value as Python sees it, also when it was restored from a file.
pub(crate) fn to_python(py: Python<'_>, value: &hersh::Value) -> PyResult<Py<PyAny>> {
    if let Some(object) = value.get::<Object>() {
        return Ok(object.get(py));
    }
    let json = py.detach(|| value.to_json());
    json::to_python(py, &json.unwrap_or_default()).map(Bound::unbind)
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = enter(|py| json::repr(self.bind(py)));
        f.write_str(shown.as_deref().unwrap_or("a Python object"))
    }
}
