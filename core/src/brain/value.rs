//! Values that the brain carries without knowing their type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::later;

/// What a watched variable or a context value may hold: anything that can be compared and that
/// serde can write and read back.
///
/// Implemented for every type that qualifies; there is nothing to implement by hand. Values are
/// read back from text when a journal is replayed or persisted values are restored.
pub trait Data: Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static {}

impl<T> Data for T where T: Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static {}

/// A [`Data`] whose type has been forgotten.
trait Erased: Any + Send + Sync {
    fn same(&self, other: &dyn Any) -> bool;
    fn type_name(&self) -> &'static str;
    #[cfg(feature = "json")]
    fn to_json(&self) -> Result<serde_json::Value, serde_json::Error>;
}

impl<T: Data> Erased for T {
    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    #[cfg(feature = "json")]
    fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// A shared, immutable value of any [`Data`] type. Cloning it copies a pointer.
///
/// Its destructor is never run under a lock of the watcher, so it may call the watcher.
#[derive(Clone)]
pub struct Value(Option<Arc<dyn Erased>>);

impl Value {
    /// Wraps a value.
    pub fn new<T: Data>(value: T) -> Self {
        Self(Some(Arc::new(value)))
    }

    /// The value, if it is of this type.
    pub fn get<T: Data>(&self) -> Option<&T> {
        let any: &dyn Any = &**self.erased();
        any.downcast_ref()
    }

    fn erased(&self) -> &Arc<dyn Erased> {
        let Some(erased) = &self.0 else { unreachable!("it is taken when it is dropped") };
        erased
    }

    /// Whether both hold the same type and equal contents. Calls the type's own `PartialEq`.
    pub fn same(&self, other: &Self) -> bool {
        self.erased().same(&**other.erased())
    }

    /// Whether both are one and the same, not merely equal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.erased(), other.erased())
    }

    /// The name of the type within.
    pub fn type_name(&self) -> &'static str {
        self.erased().type_name()
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// When the type's `Serialize` fails, or a map in it has keys that are no strings.
    #[cfg(feature = "json")]
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        self.erased().to_json()
    }
}

/// The most characters of a value that are shown in a log.
#[cfg(feature = "json")]
const MOST_SHOWN: usize = 120;

/// JSON, cut short if it is long; the name of the type where there is no JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "json")]
        if let Ok(json) = self.to_json() {
            let text = json.to_string();
            return match text.char_indices().nth(MOST_SHOWN) {
                Some((end, _)) => write!(f, "{}…", &text[..end]),
                None => f.write_str(&text),
            };
        }
        write!(f, "<{}>", self.type_name())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if later::must_wait()
            && let Some(erased) = self.0.take()
        {
            later::keep(erased);
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn equal_contents_of_one_type_are_the_same() {
        assert!(Value::new(3_u32).same(&Value::new(3_u32)));
        assert!(!Value::new(3_u32).same(&Value::new(4_u32)));
        assert!(!Value::new(3_u32).same(&Value::new(3_u64)));
    }

    #[test]
    fn a_value_is_read_back_as_its_own_type_only() {
        let value = Value::new(String::from("a"));
        assert_eq!(value.get::<String>().map(String::as_str), Some("a"));
        assert!(value.get::<u8>().is_none());
    }
}
