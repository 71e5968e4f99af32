//! The numbers that stand for a type in a tube.

use rusqlite::{Connection, OptionalExtension, params};

use hashbrown::HashMap;

use super::rows::damaged;
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;

/// The most lanes that a reader remembers, which does not hear of those that are given up.
const MOST: usize = 10_000;

/// The lanes that are known. Who writes forgets them when somebody else has written, who may have
/// given some up; the names of a lane stay true for ever, since no number is given twice.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    numbers: HashMap<Label, HashMap<Label, i64>>,
    names: HashMap<i64, (Label, Label)>,
    /// All lanes of tubes that were asked for.
    tubes: HashMap<Label, Vec<i64>>,
}

impl Lanes {
    fn know(&mut self, lane: i64, tube: &Label, kind: &Label) {
        self.numbers.entry_ref(tube).or_default().insert(kind.clone(), lane);
        self.names.insert(lane, (tube.clone(), kind.clone()));
    }

    /// Forgets all that is known.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.names.clear();
        self.tubes.clear();
    }

    /// Forgets a lane that was given up.
    pub(super) fn forget(&mut self, lane: i64) {
        if let Some((tube, kind)) = self.names.remove(&lane)
            && let Some(kinds) = self.numbers.get_mut(&tube)
        {
            kinds.remove(&kind);
            self.tubes.remove(&tube);
            if kinds.is_empty() {
                self.numbers.remove(&tube);
            }
        }
    }

    /// The lane of a type in a tube, made if need be.
    pub(super) fn enter(
        &mut self,
        connection: &Connection,
        tube: &Label,
        kind: &Label,
    ) -> Result<i64, StoreError> {
        if let Some(lane) = self.numbers.get(tube).and_then(|kinds| kinds.get(kind)) {
            return Ok(*lane);
        }
        let mut find =
            connection.prepare_cached("SELECT lane FROM lanes WHERE tube = ?1 AND kind = ?2")?;
        let names = params![tube.as_str(), kind.as_str()];
        let known = find.query_row(names, |row| row.get(0)).optional()?;
        let lane = if let Some(lane) = known {
            lane
        } else {
            self.tubes.remove(tube);
            let mut make =
                connection.prepare_cached("INSERT INTO lanes (tube, kind) VALUES (?1, ?2)")?;
            make.insert(names)?
        };
        self.know(lane, tube, kind);
        Ok(lane)
    }

    /// The tube and the type of a lane that is [known](Self::learn).
    pub(super) fn names(&self, lane: i64) -> Result<(Label, Label), StoreError> {
        self.names.get(&lane).cloned().ok_or_else(damaged)
    }

    /// The lanes of a tube, with their types.
    pub(super) fn of_tube(
        &mut self,
        connection: &Connection,
        tube: &Label,
    ) -> Result<&[i64], StoreError> {
        if !self.tubes.contains_key(tube) {
            let mut find = connection.prepare_cached("SELECT lane FROM lanes WHERE tube = ?1")?;
            let lanes: Vec<i64> =
                find.query_map([tube.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if lanes.iter().any(|lane| !self.names.contains_key(lane)) {
                self.learn(connection)?;
            }
            self.tubes.insert(tube.clone(), lanes);
        }
        Ok(self.tubes.get(tube).map_or(&[], Vec::as_slice))
    }

    /// Learns of all lanes, those of other processes included.
    pub(super) fn learn(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.names.len() >= MOST {
            self.clear();
        }
        let mut find = connection.prepare_cached("SELECT lane, tube, kind FROM lanes")?;
        let mut rows = find.query([])?;
        while let Some(row) = rows.next()? {
            let (tube, kind): (String, String) = (row.get(1)?, row.get(2)?);
            let tube = Label::new(tube).map_err(|_| damaged())?;
            let kind = Label::new(kind).map_err(|_| damaged())?;
            self.know(row.get(0)?, &tube, &kind);
        }
        Ok(())
    }

    /// Learns of a lane, if it is not known.
    pub(super) fn meet(&mut self, connection: &Connection, lane: i64) -> Result<(), StoreError> {
        if self.names.contains_key(&lane) { Ok(()) } else { self.learn(connection) }
    }
}
