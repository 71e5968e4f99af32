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

    /// Adds an entry; returns the one that has to go for it.
    pub(crate) fn push(&mut self, entry: T) -> Option<T> {
        let full = self.entries.len() == self.capacity;
        let gone = if full { self.entries.pop_front() } else { None };
        self.entries.push_back(entry);
        self.pushed += 1;
        gone
    }

    /// The newest `limit` entries with their ids, oldest first.
    pub(crate) fn tail(&self, limit: usize) -> impl Iterator<Item = (u64, &T)> {
        let skip = self.entries.len().saturating_sub(limit);
        let first = self.pushed - self.entries.len() as u64 + 1;
        (first..).zip(&self.entries).skip(skip)
    }
}

#[cfg(feature = "api")]
impl<T> Ring<T> {
    /// The entries from the first on that is new, with their ids. Old ones all stand before new ones.
    pub(crate) fn since(&self, is_old: impl Fn(&T) -> bool) -> impl Iterator<Item = (u64, &T)> {
        let old = self.entries.partition_point(is_old);
        self.tail(self.entries.len() - old)
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
