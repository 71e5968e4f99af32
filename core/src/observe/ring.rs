//! A bounded log whose entries have ids that only grow.

/// Keeps the newest `capacity` entries. The id of an entry counts from 1 and is never used again,
/// so a reader can tell what it has missed.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T> {
    /// Grows up to `capacity` and is then written in a circle.
    entries: Vec<T>,
    oldest: usize,
    capacity: usize,
    pushed: u64,
}

impl<T> Ring<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), oldest: 0, capacity, pushed: 0 }
    }

    /// Adds an entry, in place of the oldest if there is no more room.
    #[expect(clippy::inline_always, reason = "an entry is made where it stays, not moved there")]
    #[inline(always)]
    pub(crate) fn push(&mut self, entry: T) {
        if self.entries.len() < self.capacity {
            self.entries.push(entry);
        } else {
            self.entries[self.oldest] = entry;
            self.oldest = if self.oldest + 1 == self.capacity { 0 } else { self.oldest + 1 };
        }
        self.pushed += 1;
    }

    /// The entry that has to go for the next one.
    #[inline]
    pub(crate) fn leaving(&self) -> Option<&T> {
        if self.entries.len() < self.capacity { None } else { self.entries.get(self.oldest) }
    }

    /// The newest `limit` entries with their ids, oldest first.
    pub(crate) fn tail(&self, limit: usize) -> impl Iterator<Item = (u64, &T)> {
        let skip = self.entries.len().saturating_sub(limit);
        let first = self.pushed - self.entries.len() as u64 + 1;
        let (newer, older) = self.entries.split_at(self.oldest);
        (first..).zip(older.iter().chain(newer)).skip(skip)
    }
}

#[cfg(feature = "api")]
impl<T> Ring<T> {
    /// The entries from the first on that is new, with their ids. Old ones all stand before new ones.
    pub(crate) fn since(&self, is_old: impl Fn(&T) -> bool) -> impl Iterator<Item = (u64, &T)> {
        let (newer, older) = self.entries.split_at(self.oldest);
        let mut old = older.partition_point(&is_old);
        if old == older.len() {
            old += newer.partition_point(&is_old);
        }
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
