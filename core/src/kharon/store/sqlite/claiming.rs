//! Claiming, and removing what has expired.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{columns, damaged, read};
use super::tx::Tx;
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;
use crate::kharon::rules;
use crate::kharon::store::{Expired, Poll, Polled};
use crate::kharon::ticket::Ticket;
use crate::kharon::time::Timestamp;

/// The most tickets whose waiting ends in one statement.
const STRETCH: i64 = 1000;

/// The place of a ticket in the order, and its number.
type Key = (i32, i64, i64);

impl Tx<'_> {
    /// Claims ready tickets, best first.
    pub(super) fn poll(&mut self, poll: &Poll) -> Result<Polled, StoreError> {
        let mut keys = Vec::new();
        let mut next = i64::MAX;
        for lane in self.lanes_of(&poll.tubes)? {
            let waiting = self.promote(lane)?;
            next = next.min(waiting.unwrap_or(i64::MAX));
            let (_, kind) = self.lanes.names(lane)?;
            heads(self.connection, lane, poll.budget(&kind), &mut keys)?;
        }
        keys.sort_unstable();
        keys.truncate(poll.at_most);
        let tickets = self.claim(&keys, poll.lease)?;
        let ends = tickets.iter().filter_map(|ticket| ticket.lease);
        next = ends.map(|lease| lease.until.to_database()).chain([next]).min().unwrap_or(next);
        let next_in = (next < i64::MAX).then(|| Timestamp::from_database(next).since(self.now));
        Ok(Polled { tickets, next_in })
    }

    fn lanes_of(&mut self, tubes: &[Label]) -> Result<Vec<i64>, StoreError> {
        let mut lanes = Vec::new();
        for (at, tube) in tubes.iter().enumerate() {
            if !tubes[..at].contains(tube) {
                lanes.extend(self.lanes.of_tube(self.connection, tube)?);
            }
        }
        Ok(lanes)
    }

    /// Makes those of a lane ready whose waiting is over. When the next one's is.
    fn promote(&self, lane: i64) -> Result<Option<i64>, StoreError> {
        loop {
            let mut first = self.connection.prepare_cached(
                "SELECT ready_at FROM tickets WHERE spot = 2 AND lane = ?1 \
                 ORDER BY ready_at LIMIT 1",
            )?;
            let first: Option<i64> = first.query_row([lane], |row| row.get(0)).optional()?;
            match first {
                Some(at) if at <= self.now.to_database() => {}
                other => return Ok(other),
            }
            let mut promote = self.connection.prepare_cached(
                "UPDATE tickets SET spot = 1 WHERE seq IN (SELECT seq FROM tickets \
                 WHERE spot = 2 AND lane = ?1 AND ready_at <= ?2 LIMIT ?3)",
            )?;
            promote.execute(params![lane, self.now.to_database(), STRETCH])?;
        }
    }

    fn claim(&mut self, keys: &[Key], lease: Duration) -> Result<Vec<Ticket>, StoreError> {
        let mut find = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE seq = ?1"
        ))?;
        let mut claim = self.connection.prepare_cached(
            "UPDATE tickets SET spot = 2, attempts = ?2, mtime = ?3, token = ?4, until = ?5, \
             ready_at = max(runat, ?5) WHERE seq = ?1",
        )?;
        let mut tickets = Vec::with_capacity(keys.len());
        for (_, _, seq) in keys {
            let token = self.tokens.give(self.connection)?;
            let mut rows = find.query([seq])?;
            let (_, mut ticket) = read(rows.next()?.ok_or_else(damaged)?, self.lanes)?;
            drop(rows);
            rules::claim(&mut ticket, token, lease, self.now);
            let (token, now) = (token.0.cast_signed(), self.now.to_database());
            let until = (self.now + lease).to_database();
            claim.execute(params![seq, ticket.attempts, now, token, until])?;
            tickets.push(ticket);
        }
        Ok(tickets)
    }

    /// Removes tickets and groups whose time has come.
    pub(super) fn expire(&mut self, at_most: usize) -> Result<Expired, StoreError> {
        let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
        let now = self.now.to_database();
        let mut remove = self.connection.prepare_cached(
            "DELETE FROM tickets WHERE seq IN (SELECT seq FROM tickets \
             WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?;
        let removed = remove.execute([now, limit])?;
        let mut forget = self.connection.prepare_cached(
            "DELETE FROM groups WHERE name IN (SELECT name FROM groups \
             WHERE finished_at IS NOT NULL AND finished_at + expire_in <= ?1 AND pending = 0 \
             LIMIT ?2)",
        )?;
        forget.execute([now, limit])?;
        let mut next = self.connection.prepare_cached(
            "SELECT min(at) FROM (SELECT min(expires_at) AS at FROM tickets \
             WHERE expires_at IS NOT NULL UNION ALL SELECT min(finished_at + expire_in) FROM groups \
             WHERE finished_at IS NOT NULL AND pending = 0)",
        )?;
        let next: Option<i64> = next.query_row([], |row| row.get(0))?;
        let next_in = next.map(|at| Timestamp::from_database(at).since(self.now));
        Ok(Expired { removed, next_in })
    }

    /// Makes the finalizers of a group ready.
    pub(super) fn free(
        &mut self,
        finalizers: &[crate::kharon::TicketId],
    ) -> Result<(), StoreError> {
        for id in finalizers {
            if let Some((seq, mut ticket)) = self.find(id)?
                && rules::free_finalizer(&mut ticket, self.now)
            {
                self.write(seq, &ticket)?;
            }
        }
        Ok(())
    }
}

/// The best ready tickets of a lane.
fn heads(
    connection: &Connection,
    lane: i64,
    at_most: usize,
    keys: &mut Vec<Key>,
) -> Result<(), StoreError> {
    if at_most == 0 {
        return Ok(());
    }
    let mut heads = connection.prepare_cached(
        "SELECT nice, runat, seq FROM tickets WHERE spot = 1 AND lane = ?1 \
         ORDER BY nice, runat, seq LIMIT ?2",
    )?;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut rows = heads.query([lane, limit])?;
    while let Some(row) = rows.next()? {
        keys.push((row.get(0)?, row.get(1)?, row.get(2)?));
    }
    Ok(())
}
