//! What is done to tickets within a transaction.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::lanes::Lanes;
use super::rows::{bytes, columns, place, read};
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
    pub(super) tokens: &'a mut Tokens,
    pub(super) now: Timestamp,
    /// How many tickets became ready, or have a new time to wait for.
    pub(super) news: usize,
    /// The statements that are run most, held so that they are not looked up each time.
    pub(super) held: Held<'a>,
}

#[derive(Default)]
pub(super) struct Held<'a> {
    insert: Option<CachedStatement<'a>>,
    settle: Option<CachedStatement<'a>>,
    remove: Option<CachedStatement<'a>>,
}

/// The statement of a place, prepared if need be.
fn held<'a, 'b>(
    place: &'b mut Option<CachedStatement<'a>>,
    connection: &'a Connection,
    sql: &str,
) -> Result<&'b mut CachedStatement<'a>, StoreError> {
    if place.is_none() {
        *place = Some(connection.prepare_cached(sql)?);
    }
    place.as_mut().ok_or_else(super::rows::damaged)
}

/// What a new ticket meets.
pub(super) enum Found {
    Nothing,
    /// A ticket that stays in its stead.
    Kept(TicketId),
    /// A ticket that it replaces.
    Old(i64, Box<Ticket>),
}

impl Tx<'_> {
    /// The ticket of an id, and its number.
    pub(super) fn find(&mut self, id: &TicketId) -> Result<Option<(i64, Ticket)>, StoreError> {
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
            Found::Old(seq, old) => Some((seq, old)),
        };
        if let Some(name) = &ticket.group
            && let Some(mut group) = self.group(name)?
        {
            rules::join_group(&mut group)?;
            self.save_group(&group)?;
        }
        let replaces = old.is_some();
        if let Some((seq, old)) = old {
            self.remove(seq)?;
            if let (Status::Pending, Some(group)) = (old.status, &old.group) {
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
        let but = old.as_ref().map_or(0, |(seq, _)| *seq);
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
        Ok(old.map_or(Found::Nothing, |(seq, old)| Found::Old(seq, Box::new(old))))
    }

    /// Who has a unique key, other than the ticket of a number.
    fn key_holder(&self, key: Option<&Label>, but: i64) -> Result<Option<TicketId>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        let mut find = self.connection.prepare_cached(
            "SELECT id FROM tickets WHERE unique_key = ?1 AND status = 0 AND seq <> ?2",
        )?;
        let id: Option<String> =
            find.query_row(params![key.as_str(), but], |row| row.get(0)).optional()?;
        id.map(|id| TicketId::new(id).map_err(|_| super::rows::damaged())).transpose()
    }

    /// Inserts a ticket, unless there is one with its id. Whether there was none.
    fn insert(&mut self, ticket: &Ticket) -> Result<bool, StoreError> {
        let lane = self.lanes.enter(self.connection, &ticket.tube, &ticket.kind)?;
        let (spot, ready_at) = place(ticket, self.now);
        let (runat, ready_at) = (ticket.runat.to_database(), ready_at.to_database());
        let ctime = ticket.ctime.to_database();
        let rare = ticket.group.is_some() || ticket.unique_key.is_some() || ticket.repeat.is_some();
        let inserted = if rare {
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO tickets (id, lane, nice, runat, ready_at, spot, ctime, mtime, payload, \
                 group_name, unique_key, repeat) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11) \
                 ON CONFLICT (id) DO NOTHING",
            )?;
            insert.execute(params![
                ticket.id.as_str(),
                lane,
                ticket.nice,
                runat,
                ready_at,
                spot,
                ctime,
                bytes(&ticket.payload),
                ticket.group.as_ref().map(Label::as_str),
                ticket.unique_key.as_ref().map(Label::as_str),
                ticket.repeat.as_ref().map(|repeat| repeat.to_text()),
            ])?
        } else {
            let insert = held(
                &mut self.held.insert,
                self.connection,
                "INSERT INTO tickets (id, lane, nice, runat, ready_at, spot, ctime, mtime, payload) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8) ON CONFLICT (id) DO NOTHING",
            )?;
            insert.execute(params![
                ticket.id.as_str(),
                lane,
                ticket.nice,
                runat,
                ready_at,
                spot,
                ctime,
                bytes(&ticket.payload),
            ])?
        };
        self.news += inserted;
        Ok(inserted > 0)
    }

    pub(super) fn remove(&self, seq: i64) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM tickets WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }

    /// Changes a ticket.
    pub(super) fn update(&mut self, update: &Update) -> Result<(), UpdateError> {
        if self.finish_plain(update)? {
            return Ok(());
        }
        let (seq, mut ticket) = self.find(&update.id)?.ok_or(UpdateError::NotFound)?;
        let outcome = rules::apply(&mut ticket, update.token, &update.change, self.now)?;
        if matches!(update.change, Change::Revive { .. })
            && let Some(by) = self.key_holder(ticket.unique_key.as_ref(), seq)?
        {
            return Err(UpdateError::KeyTaken { by });
        }
        if outcome.removed {
            self.remove(seq)?;
        } else {
            self.write(seq, &ticket)?;
        }
        if let (Some(group), Some(moved)) = (&ticket.group, outcome.moved) {
            self.count(group, moved)?;
        }
        Ok(())
    }

    /// Settles, in one statement, a claimed ticket that neither repeats nor is of a group: by far
    /// the most common change. Whether it was such a ticket, and the claim was good; it does then
    /// what [`rules::apply`] would.
    fn finish_plain(&mut self, update: &Update) -> Result<bool, StoreError> {
        let (Some(token), Change::Finish { status, keep, expire_in, reason: None, payload: None }) =
            (update.token, &update.change)
        else {
            return Ok(false);
        };
        if !status.is_final() {
            return Ok(false);
        }
        let id = update.id.as_str();
        let (token, now) = (token.0.cast_signed(), self.now.to_database());
        let changed = if *keep {
            let expires_at = expire_in.map(|after| (self.now + after).to_database());
            let settle = held(
                &mut self.held.settle,
                self.connection,
                "UPDATE tickets SET status = ?4, spot = 0, token = NULL, until = NULL, \
                 mtime = ?3, expires_at = ?5 \
                 WHERE id = ?1 AND token = ?2 AND until > ?3 AND status = 0 \
                 AND repeat IS NULL AND group_name IS NULL",
            )?;
            settle.execute(params![id, token, now, status.code(), expires_at])?
        } else {
            let remove = held(
                &mut self.held.remove,
                self.connection,
                "DELETE FROM tickets WHERE id = ?1 AND token = ?2 AND until > ?3 AND status = 0 \
                 AND repeat IS NULL AND group_name IS NULL",
            )?;
            remove.execute(params![id, token, now])?
        };
        Ok(changed > 0)
    }

    /// Gives a ticket its new state.
    pub(super) fn write(&mut self, seq: i64, ticket: &Ticket) -> Result<(), StoreError> {
        let (spot, ready_at) = place(ticket, self.now);
        let lease = ticket.lease;
        let mut write = self.connection.prepare_cached(
            "UPDATE tickets SET nice = ?2, runat = ?3, ready_at = ?4, spot = ?5, status = ?6, \
             attempts = ?7, mtime = ?8, token = ?9, until = ?10, expires_at = ?11, \
             error_reason = ?12, repeat = ?13, payload = ?14 WHERE seq = ?1",
        )?;
        write.execute(params![
            seq,
            ticket.nice,
            ticket.runat.to_database(),
            ready_at.to_database(),
            spot,
            ticket.status.code(),
            ticket.attempts,
            ticket.mtime.to_database(),
            lease.map(|lease| lease.token.0.cast_signed()),
            lease.map(|lease| lease.until.to_database()),
            ticket.expires_at.map(Timestamp::to_database),
            ticket.error_reason.as_deref(),
            ticket.repeat.as_ref().map(|repeat| repeat.to_text()),
            bytes(&ticket.payload),
        ])?;
        self.news += usize::from(spot > 0 && ticket.lease.is_none());
        Ok(())
    }
}
