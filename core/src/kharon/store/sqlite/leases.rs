//! When claims end: kept by the batch, so that a claim costs no more than its own row.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::rows::damaged;
use super::tx::Tx;
use crate::kharon::error::StoreError;
use crate::kharon::time::Timestamp;

/// The bytes of a ticket's number in a lease.
const WIDTH: usize = 8;

/// Claims that have ended in a transaction, to be taken off their leases together.
#[derive(Debug, Default)]
pub(super) struct Ended(Vec<(i64, Timestamp, i64)>);

impl Ended {
    /// One more of a lane and a moment.
    pub(super) fn push(&mut self, lane: i64, until: Timestamp) {
        let same = |(of, at, _): &&mut (i64, Timestamp, i64)| (*of, *at) == (lane, until);
        match self.0.iter_mut().rfind(same) {
            Some((_, _, count)) => *count += 1,
            None => self.0.push((lane, until, 1)),
        }
    }
}

impl Tx<'_> {
    /// Claims of these tickets run until a moment.
    pub(super) fn open_lease(
        &self,
        lane: i64,
        until: Timestamp,
        seqs: &[i64],
    ) -> Result<(), StoreError> {
        let bytes: Vec<u8> = seqs.iter().flat_map(|seq| seq.to_le_bytes()).collect();
        let mut open = self.connection.prepare_cached(
            "INSERT INTO ledger (lane, until, open, seqs) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (lane, until) DO UPDATE SET open = open + excluded.open, \
             seqs = CAST(seqs || excluded.seqs AS BLOB)",
        )?;
        let count = i64::try_from(seqs.len()).unwrap_or(i64::MAX);
        open.execute(params![lane, until.to_database(), count, bytes])?;
        Ok(())
    }

    /// Takes off their leases the claims that have ended in this transaction so far.
    pub(super) fn close_leases(&mut self) -> Result<(), StoreError> {
        for (lane, until, ended) in std::mem::take(&mut self.ended.0) {
            let values = params![lane, until.to_database(), ended];
            let mut close = self.connection.prepare_cached(
                "DELETE FROM ledger WHERE lane = ?1 AND until = ?2 AND open <= ?3",
            )?;
            if close.execute(values)? == 0 {
                let mut lessen = self.connection.prepare_cached(
                    "UPDATE ledger SET open = open - ?3 WHERE lane = ?1 AND until = ?2",
                )?;
                lessen.execute(values)?;
            }
        }
        Ok(())
    }

    /// Ends the claims of a lane that run no longer. When the next ones end.
    pub(super) fn end_leases(&mut self, lane: i64) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let mut first = self.connection.prepare_cached(
                "SELECT until, seqs FROM ledger WHERE lane = ?1 AND until > 0 \
                 ORDER BY until LIMIT 1",
            )?;
            let first = first.query_row([lane], |row| {
                let until = Timestamp::from_database(row.get(0)?);
                // Read only where it is needed.
                let seqs = if until <= self.now { row.get(1)? } else { Vec::new() };
                Ok((until, seqs))
            });
            match first.optional()? {
                Some((until, seqs)) if until <= self.now => self.end_lease(lane, until, &seqs)?,
                next => return Ok(next.map(|(until, _)| until)),
            }
        }
    }

    fn end_lease(&self, lane: i64, until: Timestamp, seqs: &[u8]) -> Result<(), StoreError> {
        let mut end = self.connection.prepare_cached(
            "UPDATE tickets SET state = iif(runat <= ?2, 2, 4), wake_at = iif(runat <= ?2, NULL, runat) \
             WHERE seq = ?1 AND state = 3 AND until <= ?2",
        )?;
        for seq in seqs.chunks(WIDTH) {
            let seq = i64::from_le_bytes(seq.try_into().map_err(|_| damaged())?);
            end.execute(params![seq, self.now.to_database()])?;
        }
        let mut close =
            self.connection.prepare_cached("DELETE FROM ledger WHERE lane = ?1 AND until = ?2")?;
        close.execute(params![lane, until.to_database()])?;
        Ok(())
    }
}

/// How long until a moment, unless it never comes.
pub(super) fn remaining(next: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    next.filter(|at| *at < Timestamp::NEVER).map(|at| at.since(now))
}
