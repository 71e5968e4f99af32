//! Keeping context values in their file, at the moments that the configuration names.

use super::cell::{Cell, lock};
use crate::brain::{Ending, Value};
use crate::persist::{self, Persist, PersistError, PersistWhen};

/// What has been written.
#[derive(Default)]
pub(super) struct Keep {
    version: u64,
    left_out: Vec<String>,
}

impl Cell {
    /// The values that a session begins with.
    pub(crate) fn restore(&self) -> Result<Vec<(String, Value)>, PersistError> {
        let Some(persist) = &self.config.persist else { return Ok(Vec::new()) };
        let values = persist::restore(&persist.path)?;
        Ok(values.into_iter().map(|(key, json)| (key, Value::new(json))).collect())
    }

    /// An execution is completed only when what it set is on the disk. One that succeeded and whose
    /// values cannot be written has failed; they are written again after the next.
    pub(super) fn keep_after(&self, ending: Ending) -> Ending {
        match &self.config.persist {
            Some(persist) if persist.when == PersistWhen::EachExecution => {
                match (self.keep(persist), ending) {
                    (Err(error), Ending::Done) => Ending::Failed(error.to_string().into()),
                    (_, ending) => ending,
                }
            }
            _ => ending,
        }
    }

    /// Writes at the end of a session; the words of what went wrong.
    pub(super) fn keep_at_stop(&self) -> Option<String> {
        let persist = self.config.persist.as_ref()?;
        self.keep(persist).err().map(|error| error.to_string())
    }

    fn keep(&self, persist: &Persist) -> Result<(), PersistError> {
        let mut keep = lock(&self.keep);
        let before = keep.version;
        let Some(values) = self.values.changed_since(&mut keep.version) else { return Ok(()) };
        match persist::store(&persist.path, &values) {
            Ok(left_out) if left_out == keep.left_out => Ok(()),
            Ok(left_out) => {
                let keys = left_out.join(", ");
                let words = format!("not persisted, having no JSON form: {keys}");
                self.log(&mut self.lock(), &words);
                keep.left_out = left_out;
                Ok(())
            }
            Err(error) => {
                keep.version = before;
                Err(error)
            }
        }
    }
}
