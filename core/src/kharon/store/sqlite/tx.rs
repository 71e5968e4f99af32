//! What is done to tickets within a transaction.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::counts::Counts;
use super::lanes::Lanes;
use super::leases::Ended;
use super::memo::Memo;
use super::rows::{Kept, NO_TOKEN, bytes, columns, damaged, moment, place, read, state};
use super::tokens::Tokens;
use crate::kharon::error::{AddError, StoreError, UpdateError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::store::{Added, Addition, Change, IfExists, Update};
use crate::kharon::ticket::{NewTicket, Status, Ticket};
use crate::kharon::time::Timestamp;

/// A transaction at a moment.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) lanes: &'a mut Lanes,
    pub(super) memo: &'a mut Memo,
    pub(super) tokens: &'a mut Tokens,
    pub(super) now: Timestamp,
    /// How many tickets became ready, or have a new time to wait for.
    pub(super) news: usize,
    pub(super) counts: Counts,
    pub(super) ended: Ended,
    /// The statements that are run most, held so that they are not looked up each time.
    pub(super) held: Held<'a>,
}

#[derive(Default)]
pub(super) struct Held<'a> {
    insert: Option<CachedStatement<'a>>,
    pub(super) insert_handful: Option<CachedStatement<'a>>,
    pub(super) settle: Option<CachedStatement<'a>>,
    pub(super) settle_for_a_while: Option<CachedStatement<'a>>,
    pub(super) remove: Option<CachedStatement<'a>>,
}

/// The statement of a place, prepared if need be.
pub(super) fn held<'a, 'b>(
    place: &'b mut Option<CachedStatement<'a>>,
    connection: &'a Connection,
    sql: &str,
) -> Result<&'b mut CachedStatement<'a>, StoreError> {
    if place.is_none() {
        *place = Some(connection.prepare_cached(sql)?);
    }
    place.as_mut().ok_or_else(damaged)
}

/// What a new ticket meets.
pub(super) enum Found {
    Nothing,
    /// A ticket that stays in its stead.
    Kept(TicketId),
    /// A ticket that it replaces.
    Old(Box<Kept>),
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        lanes: &'a mut Lanes,
        memo: &'a mut Memo,
        tokens: &'a mut Tokens,
        now: Timestamp,
    ) -> Self {
        let (counts, ended, held) = (Counts::default(), Ended::default(), Held::default());
        Self { connection, lanes, memo, tokens, now, news: 0, counts, ended, held }
    }
}

impl Tx<'_> {
    /// The ticket of an id.
    pub(super) fn find(&mut self, id: &TicketId) -> Result<Option<Kept>, StoreError> {
        let mut find = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE id = ?1"
        ))?;
        let mut rows = find.query([id.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self.lanes.meet(self.connection, row.get(2)?)?;
        read(row, self.lanes).map(Some)
    }

    pub(super) fn add(&mut self, addition: Addition) -> Result<Added, AddError> {
        let Addition { ticket, if_exists } = addition;
        let plain = ticket.unique_key.is_none() && ticket.group.is_none();
        if plain && if_exists != IfExists::Replace {
            return self.add_plain(ticket, if_exists);
        }
        let old = match self.check(&ticket, if_exists)? {
            Found::Nothing => None,
            Found::Kept(id) => return Ok(Added::Kept(id)),
            Found::Old(old) => Some(old),
        };
        if let Some(name) = &ticket.group
            && let Some(mut group) = self.group(name)?
        {
            rules::join_group(&mut group)?;
            self.save_group(&group)?;
        }
        let replaces = old.is_some();
        if let Some(old) = old {
            self.remove(&old)?;
            if let (Status::Pending, Some(group)) = (old.ticket.status, &old.ticket.group) {
                self.count(group, (Status::Pending, Status::Cancelled))?;
            }
        }
        let ticket = rules::admit(ticket, self.now);
        self.insert(&ticket)?;
        Ok(if replaces { Added::Replaced } else { Added::New })
    }

    /// Adds a ticket that can meet nothing but one with its id.
    fn add_plain(&mut self, ticket: NewTicket, if_exists: IfExists) -> Result<Added, AddError> {
        ticket.check()?;
        let ticket = rules::admit(ticket, self.now);
        match (self.insert(&ticket)?, if_exists) {
            (true, _) => Ok(Added::New),
            (false, IfExists::Keep) => Ok(Added::Kept(ticket.id)),
            (false, _) => Err(AddError::Exists { id: ticket.id }),
        }
    }

    /// Whether a ticket can be added, and what it meets.
    pub(super) fn check(
        &mut self,
        ticket: &NewTicket,
        if_exists: IfExists,
    ) -> Result<Found, AddError> {
        ticket.check()?;
        let old = self.find(&ticket.id)?;
        match (&old, if_exists) {
            (Some(_), IfExists::Refuse) => {
                return Err(AddError::Exists { id: ticket.id.clone() });
            }
            (Some(_), IfExists::Keep) => return Ok(Found::Kept(ticket.id.clone())),
            _ => {}
        }
        let but = old.as_ref().map_or(0, |old| old.seq);
        if let Some(by) = self.key_holder(ticket.unique_key.as_ref(), but)? {
            return match if_exists {
                IfExists::Keep => Ok(Found::Kept(by)),
                _ => Err(AddError::KeyTaken { by }),
            };
        }
        if let Some(group) = &ticket.group {
            match self.group(group)? {
                None => return Err(AddError::NoGroup),
                Some(group) if group.closed => return Err(AddError::GroupClosed),
                Some(_) => {}
            }
        }
        Ok(old.map_or(Found::Nothing, |old| Found::Old(Box::new(old))))
    }

    /// Who has a unique key, other than the ticket of a number.
    fn key_holder(&self, key: Option<&Label>, but: i64) -> Result<Option<TicketId>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let mut find = self
            .connection
            .prepare_cached("SELECT id FROM tickets WHERE held_key = ?1 AND seq <> ?2")?;
        let id: Option<String> =
            find.query_row(params![key.as_str(), but], |row| row.get(0)).optional()?;
        id.map(|id| TicketId::new(id).map_err(|_| damaged())).transpose()
    }

    /// Inserts a ticket, unless there is one with its id. Whether there was none.
    fn insert(&mut self, ticket: &Ticket) -> Result<bool, StoreError> {
        let lane = self.lanes.enter(self.connection, &ticket.tube, &ticket.kind)?;
        let (state, wake_at) = place(ticket, self.now);
        let (runat, now) = (ticket.runat.to_database(), self.now.to_database());
        let rare = wake_at.is_some()
            || ticket.group.is_some()
            || ticket.unique_key.is_some()
            || ticket.repeat.is_some();
        let id = ticket.id.as_str();
        let payload = bytes(&ticket.payload);
        let inserted = if rare {
            let key = ticket.unique_key.as_ref().map(Label::as_str);
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO tickets (id, lane, nice, runat, state, ctime, mtime, token, until, \
                 payload, wake_at, group_name, unique_key, held_key, repeat) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?6, ?8, ?9, ?10, ?11, ?11, ?12) \
                 ON CONFLICT (id) DO NOTHING",
            )?;
            insert.execute(params![
                id,
                lane,
                ticket.nice,
                runat,
                state,
                now,
                NO_TOKEN,
                payload,
                moment(wake_at),
                ticket.group.as_ref().map(Label::as_str),
                key,
                ticket.repeat.as_ref().map(|repeat| repeat.to_text()),
            ])?
        } else {
            let insert = held(
                &mut self.held.insert,
                self.connection,
                "INSERT INTO tickets (id, lane, nice, runat, state, ctime, mtime, token, until, \
                 payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?6, ?8) \
                 ON CONFLICT (id) DO NOTHING",
            )?;
            insert.execute(params![id, lane, ticket.nice, runat, state, now, NO_TOKEN, payload])?
        };
        if inserted > 0 {
            self.counts.add(lane, Status::Pending, 1);
            self.news += 1;
        }
        Ok(inserted > 0)
    }

    /// Removes a ticket.
    pub(super) fn remove(&mut self, kept: &Kept) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM tickets WHERE seq = ?1")?
            .execute([kept.seq])?;
        self.counts.add(kept.lane, kept.ticket.status, -1);
        if let Some(until) = kept.claimed_until() {
            self.ended.push(kept.lane, until);
        }
        Ok(())
    }

    /// Changes a ticket.
    pub(super) fn update(&mut self, update: &Update) -> Result<(), UpdateError> {
        if self.finish_plain(update)? {
            return Ok(());
        }
        let kept = self.find(&update.id)?.ok_or(UpdateError::NotFound)?;
        let mut ticket = kept.ticket.clone();
        let outcome = rules::apply(&mut ticket, update.token, &update.change, self.now)?;
        if matches!(update.change, Change::Revive { .. })
            && let Some(by) = self.key_holder(ticket.unique_key.as_ref(), kept.seq)?
        {
            return Err(UpdateError::KeyTaken { by });
        }
        if outcome.removed {
            self.remove(&kept)?;
        } else {
            self.write(&kept, &ticket)?;
        }
        if let (Some(group), Some(moved)) = (&ticket.group, outcome.moved) {
            self.count(group, moved)?;
        }
        Ok(())
    }

    /// Gives a ticket its new state.
    pub(super) fn write(&mut self, before: &Kept, ticket: &Ticket) -> Result<(), StoreError> {
        let (seq, lane) = (before.seq, before.lane);
        let (state, wake_at) = place(ticket, self.now);
        let lease = ticket.lease.filter(|_| ticket.status == Status::Pending);
        let pending_key = ticket.unique_key.as_ref().filter(|_| !ticket.status.is_final());
        let mut write = self.connection.prepare_cached(
            "UPDATE tickets SET nice = ?2, runat = ?3, state = ?4, wake_at = ?5, attempts = ?6, \
             mtime = ?7, token = ?8, until = ?9, expires_at = ?10, error_reason = ?11, \
             held_key = ?12, repeat = ?13, payload = ?14 WHERE seq = ?1",
        )?;
        write.execute(params![
            seq,
            ticket.nice,
            ticket.runat.to_database(),
            state,
            moment(wake_at),
            ticket.attempts,
            ticket.mtime.to_database(),
            lease.map_or(NO_TOKEN, |lease| lease.token.0.cast_signed()),
            lease.map_or(ticket.ctime, |lease| lease.until).to_database(),
            moment(ticket.expires_at),
            ticket.error_reason.as_deref(),
            pending_key.map(Label::as_str),
            ticket.repeat.as_ref().map(|repeat| repeat.to_text()),
            bytes(&ticket.payload),
        ])?;
        drop(write);
        self.counts.move_one(lane, before.ticket.status, ticket.status);
        if let Some(until) = before.claimed_until() {
            self.ended.push(lane, until);
        }
        match lease {
            Some(lease) if state == state::CLAIMED => self.open_lease(lane, lease.until, &[seq])?,
            _ => self.news += usize::from(!ticket.status.is_final()),
        }
        Ok(())
    }
}
