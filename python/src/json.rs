//! JSON and the Python objects that it is made of.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Number, Value};

/// How deep lists and dicts are followed; what is deeper, or contains itself, is no JSON.
const DEPTH: usize = 64;

/// The object as JSON; `None` when it is not made of JSON's types throughout. Tuples count as
/// lists, as in Python's own `json`; what is not a number (NaN, infinity) has no JSON.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> Option<Value> {
    convert(object, DEPTH)
}

/// The object's `repr`; of one whose `repr` raises, its type.
pub(crate) fn repr(object: &Bound<'_, PyAny>) -> String {
    object.repr().map_or_else(
        |_| format!("<{} without a repr>", object.get_type()),
        |shown| shown.to_string_lossy().into_owned(),
    )
}

fn convert(object: &Bound<'_, PyAny>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if object.is_none() {
        return Some(Value::Null);
    }
    if object.is_instance_of::<PyBool>() {
        return object.extract().ok().map(Value::Bool);
    }
    if object.is_instance_of::<PyInt>() {
        let signed = object.extract::<i64>().ok().map(Number::from);
        return signed
            .or_else(|| object.extract::<u64>().ok().map(Number::from))
            .map(Value::Number);
    }
    if object.is_instance_of::<PyFloat>() {
        return object.extract().ok().and_then(Number::from_f64).map(Value::Number);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return text.to_cow().ok().map(|text| Value::String(text.into_owned()));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let items = object.try_iter().ok()?.map(|item| convert(&item.ok()?, depth));
        return items.collect::<Option<_>>().map(Value::Array);
    }
    let dict = object.cast::<PyDict>().ok()?;
    let mut map = Map::new();
    for (key, value) in dict.iter() {
        let key = key.cast::<PyString>().ok()?.to_cow().ok()?.into_owned();
        map.insert(key, convert(&value, depth)?);
    }
    Some(Value::Object(map))
}

/// The Python form of a JSON value.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, Some(number)) => number.into_pyobject(py)?.into_any(),
            (None, None) => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, item) in map {
                dict.set_item(key, to_python(py, item)?)?;
            }
            dict.into_any()
        }
    })
}
