//! A bounded log whose entries have ids that only grow.

use std::collections::VecDeque;

/// Keeps the newest `capacity` entries. The id of an entry counts from 1 and is never used again,
/// so a reader can tell what it has missed.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T> {
    entries: VecDeque<T>,
    capacity: usize,
    pushed: u64,
}

impl<T> Ring<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, pushed: 0 }
    }

    pub(crate) fn push(&mut self, entry: T) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.pushed += 1;
    }

    /// The newest `limit` entries with their ids, oldest first.
    pub(crate) fn tail(&self, limit: usize) -> impl Iterator<Item = (u64, &T)> {
        let skip = self.entries.len().saturating_sub(limit);
        let first = self.pushed - self.entries.len() as u64 + 1;
        (first..).zip(&self.entries).skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn the_newest_entries_stay_and_ids_go_on() {
        let mut ring = Ring::new(3);
        for entry in ["a", "b", "c", "d", "e"] {
            ring.push(entry);
        }
        assert_eq!(ring.tail(10).collect::<Vec<_>>(), [(3, &"c"), (4, &"d"), (5, &"e")]);
        assert_eq!(ring.tail(1).collect::<Vec<_>>(), [(5, &"e")]);
        assert_eq!(ring.tail(0).count(), 0);
    }
}
