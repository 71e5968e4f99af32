//! The numbers that stand for a type in a tube.

use rusqlite::{Connection, OptionalExtension, params};

use hashbrown::HashMap;

use super::rows::damaged;
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;

/// The lanes that are known. Lanes are never removed, so what is known stays true, unless the
/// transaction that made one is rolled back.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    numbers: HashMap<Label, HashMap<Label, i64>>,
    names: HashMap<i64, (Label, Label)>,
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
        let lane = match find.query_row(names, |row| row.get(0)).optional()? {
            Some(lane) => lane,
            None => connection
                .prepare_cached("INSERT INTO lanes (tube, kind) VALUES (?1, ?2)")?
                .insert(names)?,
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
    ) -> Result<Vec<i64>, StoreError> {
        let mut find = connection.prepare_cached("SELECT lane FROM lanes WHERE tube = ?1")?;
        let lanes: Vec<i64> =
            find.query_map([tube.as_str()], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if lanes.iter().any(|lane| !self.names.contains_key(lane)) {
            self.learn(connection)?;
        }
        Ok(lanes)
    }

    /// Learns of all lanes, those of other processes included.
    pub(super) fn learn(&mut self, connection: &Connection) -> Result<(), StoreError> {
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
