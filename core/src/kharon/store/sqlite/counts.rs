//! How many tickets each lane has, counted as they come and go.

use rusqlite::params;

use super::tx::Tx;
use crate::kharon::error::StoreError;
use crate::kharon::ticket::Status;

/// What a transaction changes of the counts of lanes: pending, done, failed, cancelled.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<(i64, [i64; 4])>);

impl Counts {
    /// So many more tickets of a status in a lane, or fewer.
    pub(super) fn add(&mut self, lane: i64, status: Status, more: i64) {
        let at = usize::from(status.code().unsigned_abs());
        if let Some((_, counts)) = self.0.iter_mut().rfind(|(of, _)| *of == lane) {
            counts[at] += more;
        } else {
            let mut counts = [0; 4];
            counts[at] = more;
            self.0.push((lane, counts));
        }
    }

    /// A ticket goes from one status to another.
    pub(super) fn move_one(&mut self, lane: i64, from: Status, to: Status) {
        if from != to {
            self.add(lane, from, -1);
            self.add(lane, to, 1);
        }
    }
}

impl Tx<'_> {
    /// Writes the counts down, and gives up lanes that have no tickets left.
    pub(super) fn write_counts(&mut self) -> Result<(), StoreError> {
        for (lane, [pending, done, failed, cancelled]) in std::mem::take(&mut self.counts.0) {
            let mut count = self.connection.prepare_cached(
                "UPDATE ledger SET open = open + ?2, done = done + ?3, failed = failed + ?4, \
                 cancelled = cancelled + ?5 WHERE lane = ?1 AND until = 0",
            )?;
            if count.execute(params![lane, pending, done, failed, cancelled])? == 0 {
                let mut begin = self.connection.prepare_cached(
                    "INSERT INTO ledger (lane, until, open, done, failed, cancelled) \
                     VALUES (?1, 0, ?2, ?3, ?4, ?5)",
                )?;
                begin.execute(params![lane, pending, done, failed, cancelled])?;
            }
            if pending + done + failed + cancelled < 0 {
                let mut empty = self.connection.prepare_cached(
                    "DELETE FROM ledger WHERE lane = ?1 AND until = 0 AND open = 0 \
                     AND done = 0 AND failed = 0 AND cancelled = 0",
                )?;
                if empty.execute([lane])? > 0 {
                    let mut give_up =
                        self.connection.prepare_cached("DELETE FROM lanes WHERE lane = ?1")?;
                    give_up.execute([lane])?;
                    self.lanes.forget(lane);
                }
            }
        }
        Ok(())
    }
}
