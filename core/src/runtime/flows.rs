//! The flows of a watcher, in the order of their registration.

use std::sync::Arc;

use crate::brain::{Input, VarId};
use crate::drive::{FlowSource, lock, take_from};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

struct Entry {
    id: VarId,
    flow: Arc<dyn FlowSource>,
    latest: bool,
}

/// The channels that the loop receives from when the watcher is ready for another event.
#[derive(Default)]
pub(crate) struct Flows {
    entries: Mutex<Vec<Entry>>,
    /// The number of entries, so that a watcher without flows takes no lock for them.
    count: AtomicUsize,
}

impl Flows {
    pub(crate) fn add(&self, id: VarId, flow: Arc<dyn FlowSource>, latest: bool) {
        self.change(|entries| entries.push(Entry { id, flow, latest }));
    }

    pub(crate) fn remove(&self, id: VarId) {
        self.change(|entries| entries.retain(|entry| entry.id != id));
    }

    pub(crate) fn clear(&self) {
        self.change(Vec::clear);
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) {
        let mut entries = lock(&self.entries);
        change(&mut entries);
        self.count.store(entries.len(), Ordering::Release);
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn FlowSource>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        lock(&self.entries).iter().map(|entry| Arc::clone(&entry.flow)).collect()
    }

    /// Takes what each flow offers; a flow whose source has closed is looked at no more.
    pub(crate) fn take(&self, feed: &mut dyn FnMut(VarId, Input)) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        self.change(|entries| {
            entries.retain(|entry| {
                let (input, ended) = take_from(&*entry.flow, entry.latest);
                if let Some(input) = input {
                    feed(entry.id, input);
                }
                !ended
            });
        });
    }
}
