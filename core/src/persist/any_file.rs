//! Whatever a fuzzer makes of a file of values.

use std::collections::BTreeMap;
use std::path::Path;

use super::{restore, store};
use crate::brain::Value;

/// A fuzzer's bytes as a file of values: refused in words and left as they are, or restored, and then
/// the same when they have been stored and restored once more.
pub(crate) fn any_values(path: &Path, data: &[u8]) {
    if std::fs::write(path, data).is_err() {
        return;
    }
    match restore(path) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(std::fs::read(path).is_ok_and(|kept| kept == data), "left as it is");
        }
        Ok(values) => {
            let typed: BTreeMap<String, Value> =
                values.iter().map(|(key, json)| (key.clone(), Value::new(json.clone()))).collect();
            let left_out = store(path, &typed).expect("what was read can be written");
            assert!(left_out.is_empty());
            assert_eq!(restore(path).expect("what was written can be read"), values);
        }
    }
}
