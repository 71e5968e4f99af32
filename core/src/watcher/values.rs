//! Values that a managed function keeps between executions.

use std::any::type_name;
use std::collections::BTreeMap;

use super::error::ValueError;
use crate::brain::{Data, Value};
use crate::drive::lock;
use crate::later::Held;
use crate::sync::Mutex;

/// How often an update is tried against others before it is given up.
const MOST_ATTEMPTS: u32 = 1000;

/// The context values of one session.
#[derive(Default)]
pub(crate) struct Values {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<String, Kept>,
    /// Counts changes, so that an update can tell whether its copy is still current.
    version: u64,
}

struct Kept {
    value: Value,
    version: u64,
}

impl Table {
    fn set(&mut self, key: &str, value: Value) {
        self.version += 1;
        let kept = Kept { value, version: self.version };
        match self.entries.get_mut(key) {
            Some(entry) => *entry = kept,
            None => drop(self.entries.insert(key.to_owned(), kept)),
        }
    }
}

impl Values {
    pub(crate) fn get<T: Data + Clone>(&self, key: &str) -> Result<Option<T>, ValueError> {
        self.read(key).map(|(value, _)| value)
    }

    pub(crate) fn set<T: Data>(&self, key: &str, value: T) {
        let _held = Held::new();
        lock(&self.table).set(key, Value::new(value));
    }

    /// Applies `update` to a copy, outside the lock, and keeps its result unless the value has
    /// changed meanwhile, in which case it is applied again to a new copy.
    pub(crate) fn update<T: Data + Clone>(
        &self,
        key: &str,
        mut update: impl FnMut(Option<T>) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, ValueError> {
        for _ in 0..MOST_ATTEMPTS {
            let (old, version) = self.read(key)?;
            let new = update(old).map_err(ValueError::Update)?;
            let _held = Held::new();
            let mut table = lock(&self.table);
            if table.entries.get(key).map_or(0, |kept| kept.version) == version {
                table.set(key, Value::new(new.clone()));
                return Ok(new);
            }
        }
        Err(ValueError::Contended { key: key.to_owned() })
    }

    /// Begins anew with these values.
    pub(crate) fn reset(&self, values: impl IntoIterator<Item = (String, Value)>) {
        let _held = Held::new();
        let mut table = lock(&self.table);
        table.entries.clear();
        for (key, value) in values {
            table.set(&key, value);
        }
    }

    /// All values, if any has changed since `seen`, which is then brought up to date.
    #[cfg(feature = "persist")]
    pub(crate) fn changed_since(&self, seen: &mut u64) -> Option<BTreeMap<String, Value>> {
        let version = lock(&self.table).version;
        (std::mem::replace(seen, version) != version).then(|| self.all())
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Value> {
        let table = lock(&self.table);
        table.entries.iter().map(|(key, kept)| (key.clone(), kept.value.clone())).collect()
    }

    /// The value and its version; version 0 stands for no value.
    fn read<T: Data + Clone>(&self, key: &str) -> Result<(Option<T>, u64), ValueError> {
        let found =
            lock(&self.table).entries.get(key).map(|kept| (kept.value.clone(), kept.version));
        let Some((value, version)) = found else { return Ok((None, 0)) };
        match value.get::<T>().cloned().or_else(|| converted(&value)) {
            Some(typed) => Ok((Some(typed), version)),
            None => Err(ValueError::Mismatch {
                key: key.to_owned(),
                existing: value.type_name(),
                requested: type_name::<T>(),
            }),
        }
    }
}

/// A value that was set as one type may be read as another that has the same JSON form: a `u32` as
/// an `i64`, a struct as a map.
#[cfg(feature = "json")]
fn converted<T: Data>(value: &Value) -> Option<T> {
    value.to_json().ok().and_then(|json| serde_json::from_value(json).ok())
}

#[cfg(not(feature = "json"))]
fn converted<T: Data>(_: &Value) -> Option<T> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_as_its_type() {
        let values = Values::default();
        values.set("n", 3_u32);
        assert_eq!(values.get::<u32>("n").expect("a u32"), Some(3));
        assert_eq!(values.get::<u32>("other").expect("nothing"), None);
        assert!(matches!(values.get::<String>("n"), Err(ValueError::Mismatch { .. })));
    }

    #[cfg(feature = "json")]
    #[test]
    fn types_with_the_same_json_form_are_exchangeable() {
        let values = Values::default();
        values.set("n", 3_u32);
        assert_eq!(values.get::<i64>("n").expect("fits"), Some(3));
        values.set("n", -1_i64);
        assert!(values.get::<u8>("n").is_err());
    }

    #[test]
    fn updates_from_many_threads_are_all_counted() {
        let values = Values::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..250 {
                        let added = values.update("n", |n: Option<u32>| Ok(n.unwrap_or(0) + 1));
                        assert!(added.is_ok());
                    }
                });
            }
        });
        assert_eq!(values.get::<u32>("n").expect("a u32"), Some(1000));
    }

    #[test]
    fn a_failing_update_changes_nothing() {
        let values = Values::default();
        values.set("n", 1_u32);
        let failed = values.update("n", |_: Option<u32>| Err("no".into()));
        assert!(matches!(failed, Err(ValueError::Update(_))));
        assert_eq!(values.get::<u32>("n").expect("a u32"), Some(1));
    }

    #[test]
    fn an_update_that_sets_its_own_key_is_given_up_with_words() {
        let values = Values::default();
        let result = values.update("n", |n: Option<u32>| {
            values.set("n", n.unwrap_or(0) + 1);
            Ok(0)
        });
        assert!(matches!(result, Err(ValueError::Contended { .. })));
    }
}
