//! Where records lie: in chunks that never move, so that growing costs no copy and no peak.

/// How many places one chunk has.
const CHUNK: usize = 1024;

/// Numbered places for things.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
    used: u32,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), used: 0 }
    }

    /// Puts a thing somewhere; `None` when there are four thousand million already.
    pub(super) fn insert(&mut self, thing: T) -> Option<u32> {
        let at = if let Some(at) = self.free.pop() {
            at
        } else {
            let at = self.used;
            self.used = at.checked_add(1)?;
            at
        };
        let (chunk, place) = split(at);
        if chunk == self.chunks.len() {
            self.chunks.push((0..CHUNK).map(|_| None).collect());
        }
        self.chunks[chunk][place] = Some(thing);
        Some(at)
    }

    pub(super) fn remove(&mut self, at: u32) -> Option<T> {
        let (chunk, place) = split(at);
        let thing = self.chunks.get_mut(chunk)?[place].take();
        if thing.is_some() {
            self.free.push(at);
        }
        thing
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        let (chunk, place) = split(at);
        self.chunks.get(chunk)?[place].as_ref()
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let (chunk, place) = split(at);
        self.chunks.get_mut(chunk)?[place].as_mut()
    }

    /// Places from here on were never used.
    pub(super) const fn end(&self) -> u32 {
        self.used
    }
}

const fn split(at: u32) -> (usize, usize) {
    let at = at as usize;
    (at / CHUNK, at % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_nothing_moves() {
        let mut slab = Slab::new();
        let places: Vec<_> = (0..3000).map(|thing| slab.insert(thing).unwrap()).collect();
        assert_eq!(slab.end(), 3000);
        assert_eq!(slab.remove(places[7]), Some(7));
        assert_eq!(slab.remove(places[7]), None);
        assert_eq!(slab.get(places[7]), None);
        assert_eq!(slab.insert(9000), Some(places[7]));
        assert_eq!(slab.get(places[2999]), Some(&2999));
        *slab.get_mut(places[0]).unwrap() = 1;
        assert_eq!(slab.get(places[0]), Some(&1));
        assert_eq!(slab.get(u32::MAX), None);
    }
}
