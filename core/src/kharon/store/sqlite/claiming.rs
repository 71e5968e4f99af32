//! Claiming, and removing what has expired.

use std::time::Duration;

use hashbrown::HashMap;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::leases::remaining;
use super::memo::Claimed;
use super::rows::{Kept, columns, damaged, read, status_of};
use super::tx::Tx;
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;
use crate::kharon::rules;
use crate::kharon::store::{Expired, Poll, Polled};
use crate::kharon::ticket::Ticket;
use crate::kharon::time::Timestamp;

/// The most tickets whose waiting ends in one statement.
const STRETCH: i64 = 1000;

/// The place of a ticket in the order, its number and its lane.
type Key = (i32, i64, i64, i64);

impl Tx<'_> {
    /// Claims ready tickets, best first.
    pub(super) fn poll(&mut self, poll: &Poll) -> Result<Polled, StoreError> {
        self.close_leases()?;
        let lanes = self.lanes_of(&poll.tubes)?;
        let mut next = None;
        for lane in &lanes {
            let times = [self.promote(*lane)?, self.end_leases(*lane)?];
            next = times.into_iter().flatten().chain(next).min();
        }
        let front = match lanes.as_slice() {
            [] => Vec::new(),
            [lane] => self.front_of(*lane, poll)?,
            lanes => self.front_of_all(lanes, poll)?,
        };
        let tickets = self.claim(front, poll.lease)?;
        if !tickets.is_empty() {
            next = Some(self.now + poll.lease).into_iter().chain(next).min();
        }
        Ok(Polled { tickets, next_in: remaining(next, self.now) })
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
    fn promote(&self, lane: i64) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let mut first = self.connection.prepare_cached(
                "SELECT wake_at FROM tickets WHERE lane = ?1 AND wake_at IS NOT NULL \
                 ORDER BY wake_at LIMIT 1",
            )?;
            let first: Option<i64> = first.query_row([lane], |row| row.get(0)).optional()?;
            match first {
                Some(at) if at <= self.now.to_database() => {}
                next => return Ok(next.map(Timestamp::from_database)),
            }
            let mut promote = self.connection.prepare_cached(
                "UPDATE tickets SET state = 2, wake_at = NULL WHERE seq IN (SELECT seq \
                 FROM tickets WHERE lane = ?1 AND wake_at IS NOT NULL AND wake_at <= ?2 LIMIT ?3)",
            )?;
            promote.execute(params![lane, self.now.to_database(), STRETCH])?;
        }
    }

    /// The best ready tickets of a lane.
    fn front_of(&mut self, lane: i64, poll: &Poll) -> Result<Vec<Kept>, StoreError> {
        let (_, kind) = self.lanes.names(lane)?;
        let budget = poll.budget(&kind);
        if budget == 0 {
            return Ok(Vec::new());
        }
        let mut front = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE state = 2 AND lane = ?1 ORDER BY nice, runat, seq LIMIT ?2"
        ))?;
        let mut rows = front.query([lane, i64::try_from(budget).unwrap_or(i64::MAX)])?;
        let mut front = Vec::new();
        while let Some(row) = rows.next()? {
            front.push(read(row, self.lanes)?);
        }
        Ok(front)
    }

    /// The best ready tickets of several lanes. Only the places of those are looked at that are not
    /// among them.
    fn front_of_all(&mut self, lanes: &[i64], poll: &Poll) -> Result<Vec<Kept>, StoreError> {
        let mut keys = Vec::new();
        let mut budgets = HashMap::new();
        for lane in lanes {
            let (_, kind) = self.lanes.names(*lane)?;
            let budget = poll.budget(&kind);
            heads(self.connection, *lane, budget, &mut keys)?;
            budgets.insert(kind, budget);
        }
        keys.sort_unstable();
        let mut find = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE seq = ?1"
        ))?;
        let mut front = Vec::new();
        for (_, _, seq, lane) in keys {
            if front.len() == poll.at_most {
                break;
            }
            // A type may be in several tubes, and its budget is for all of them.
            let (_, kind) = self.lanes.names(lane)?;
            match budgets.get_mut(&kind) {
                Some(left @ 1..) => *left -= 1,
                _ => continue,
            }
            let mut rows = find.query([seq])?;
            front.push(read(rows.next()?.ok_or_else(damaged)?, self.lanes)?);
        }
        Ok(front)
    }

    fn claim(&mut self, front: Vec<Kept>, lease: Duration) -> Result<Vec<Ticket>, StoreError> {
        let until = self.now + lease;
        let mut claim: CachedStatement<'_> = self.connection.prepare_cached(
            "UPDATE tickets SET state = 3, attempts = ?2, mtime = ?3, token = ?4, until = ?5 \
             WHERE seq = ?1",
        )?;
        let mut tickets = Vec::with_capacity(front.len());
        let mut leases: Vec<(i64, Vec<i64>)> = Vec::new();
        for Kept { seq, lane, mut ticket, .. } in front {
            let token = self.tokens.give(self.connection)?;
            rules::claim(&mut ticket, token, lease, self.now);
            let (number, now) = (token.0.cast_signed(), self.now.to_database());
            claim.execute(params![seq, ticket.attempts, now, number, until.to_database()])?;
            match leases.iter_mut().find(|(of, _)| *of == lane) {
                Some((_, seqs)) => seqs.push(seq),
                None => leases.push((lane, vec![seq])),
            }
            if is_plain(&ticket) {
                self.memo.remember(token, Claimed { seq, lane, until }, self.now);
            }
            tickets.push(ticket);
        }
        drop(claim);
        for (lane, seqs) in leases {
            self.open_lease(lane, until, &seqs)?;
        }
        Ok(tickets)
    }

    /// Removes tickets and groups whose time has come.
    pub(super) fn expire(&mut self, at_most: usize) -> Result<Expired, StoreError> {
        let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
        let now = self.now.to_database();
        let mut remove = self.connection.prepare_cached(
            "DELETE FROM tickets WHERE seq IN (SELECT seq FROM tickets \
             WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING lane, state",
        )?;
        let mut rows = remove.query([now, limit])?;
        let mut removed = 0;
        while let Some(row) = rows.next()? {
            let status = status_of(row.get(1)?).ok_or_else(damaged)?;
            self.counts.add(row.get(0)?, status, -1);
            removed += 1;
        }
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
}

/// Whether settling a ticket concerns nothing but its own row.
fn is_plain(ticket: &Ticket) -> bool {
    ticket.repeat.is_none() && ticket.group.is_none() && ticket.unique_key.is_none()
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
        "SELECT nice, runat, seq FROM tickets WHERE state = 2 AND lane = ?1 \
         ORDER BY nice, runat, seq LIMIT ?2",
    )?;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut rows = heads.query([lane, limit])?;
    while let Some(row) = rows.next()? {
        keys.push((row.get(0)?, row.get(1)?, row.get(2)?, lane));
    }
    Ok(())
}
