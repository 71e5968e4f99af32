//! A table of variables, or of what somebody keeps for each of them.

use super::vars::VarId;

/// One thing for each variable, in the order of registration.
///
/// Ids only grow, so the list is sorted; and where no variable has been dropped from it, a variable
/// stands as far from the first as its id does. So it is found by counting, not by searching.
#[derive(Clone, Debug)]
pub(crate) struct ById<T>(Vec<(VarId, T)>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ById<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, thing)| thing)
    }

    /// Puts this in the variable's place, instead of what was there.
    pub(crate) fn insert(&mut self, id: VarId, thing: T) {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) => self.0[place].1 = thing,
            Err(place) => self.0.insert(place, (id, thing)),
        }
    }

    pub(crate) fn remove(&mut self, id: VarId) -> Option<T> {
        self.place_of(id).map(|place| self.0.remove(place).1)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn get(&self, id: VarId) -> Option<&T> {
        self.place_of(id).map(|place| &self.0[place].1)
    }

    pub(crate) fn get_mut(&mut self, id: VarId) -> Option<&mut T> {
        self.place_of(id).map(|place| &mut self.0[place].1)
    }

    /// What stands at this place, counted from 0, and whose it is.
    pub(crate) fn at(&self, place: usize) -> Option<(VarId, &T)> {
        self.0.get(place).map(|(id, thing)| (*id, thing))
    }

    pub(crate) fn place_of(&self, id: VarId) -> Option<usize> {
        let (first, _) = self.0.first()?;
        let distance = id.0.checked_sub(first.0)? as usize;
        match self.0.get(distance) {
            Some((found, _)) if *found == id => Some(distance),
            _ => self.0.binary_search_by_key(&id, |(id, _)| *id).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_also_when_others_are_gone() {
        let mut table = ById::default();
        (10..20).for_each(|n| table.insert(VarId(n), n));
        assert_eq!(table.remove(VarId(10)), Some(10));
        assert_eq!(table.remove(VarId(15)), Some(15));
        assert_eq!(table.remove(VarId(15)), None);
        for n in 0..30 {
            let there = (11..20).contains(&n) && n != 15;
            assert_eq!(table.get(VarId(n)), there.then_some(&n));
        }
        let places: Vec<_> = (0..table.len()).filter_map(|place| table.at(place)).collect();
        assert!(places.is_sorted() && places.len() == 8);
    }

    #[test]
    fn a_variable_has_one_place() {
        let mut table = ById::default();
        table.insert(VarId(1), 'a');
        table.insert(VarId(1), 'b');
        assert_eq!((table.len(), table.get(VarId(1))), (1, Some(&'b')));
    }
}
