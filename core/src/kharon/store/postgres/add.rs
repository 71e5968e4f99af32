//! Adding tickets.

use std::collections::{HashMap, HashSet};

use postgres::error::SqlState;
use postgres::types::ToSql;

use super::groups::{self, Groups};
use super::pool::{Repeat, Session, Trouble};
use super::rows::{self, Kept};
use super::{Core, read_all};
use crate::kharon::error::{AddError, StoreError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::store::{Added, Addition, Change, IfExists};
use crate::kharon::ticket::{NewTicket, Ticket, When};
use crate::kharon::time::Timestamp;

type Answers = Vec<Result<Added, AddError>>;

/// Adds tickets.
pub(super) fn add(core: &Core, additions: &[Addition]) -> Result<Answers, StoreError> {
    if additions.is_empty() {
        return Ok(Vec::new());
    }
    if is_plain(additions) {
        return Ok(core.run(Repeat::OnlyUndone, |session| plain(core, session, additions))?);
    }
    Ok(core.run(Repeat::OnlyUndone, |session| {
        session.atomically(|session| careful(core, session, additions))
    })?)
}

/// Whether one statement can do it: nothing but ids can stand in the way of each other.
fn is_plain(additions: &[Addition]) -> bool {
    let mut ids = HashSet::with_capacity(additions.len());
    additions.iter().all(|Addition { ticket, if_exists }| {
        *if_exists != IfExists::Replace
            && ticket.group.is_none()
            && ticket.unique_key.is_none()
            && ticket.repeat.is_none()
            && ticket.check().is_ok()
            && ids.insert(&ticket.id)
    })
}

/// The end of a statement that has `added` tickets: counts them, and answers with the ids of those that
/// are new, unless all are.
macro_rules! answer {
    () => {
        "
    tallied AS (
        INSERT INTO {tallies} (pending, done, failed, cancelled)
        SELECT count(*), 0, 0, 0 FROM added HAVING count(*) > 0)
    SELECT CASE WHEN count(*) < cardinality($2) THEN coalesce(array_agg(id), '{}') END
    FROM added"
    };
}

/// Adds tickets of one type and one tube that are all ready at once.
macro_rules! insert_alike {
    ($on_conflict:literal) => {
        concat!(
            "
    WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
    added AS (
        INSERT INTO {tickets} (id, kind, tube, payload, nice, runat, status, place, attempts,
            ctime, mtime)
        SELECT id, $5::text, $6::text, payload, nice, now, 0, 1, 0, now, now
        FROM clock, LATERAL (
            SELECT id, payload, nice FROM unnest($2::text[], $3::bytea[], $4::int[])
                WITH ORDINALITY AS new (id, payload, nice, place)
            ORDER BY place) AS new",
            $on_conflict,
            "
        RETURNING seq, id, nice, runat),
    queued AS (
        INSERT INTO {ready} (tube, kind, nice, runat, seq)
        SELECT $6::text, $5::text, nice, runat, seq FROM added),",
            answer!()
        )
    };
}

macro_rules! insert_any {
    ($on_conflict:literal) => {
        concat!(
            "
    WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
    added AS (
        INSERT INTO {tickets} (id, kind, tube, payload, nice, runat, status, place, attempts,
            ctime, mtime)
        SELECT id, kind, tube, payload, nice, runat, 0,
            CASE WHEN runat <= now THEN 1 ELSE 2 END, 0, now, now
        FROM clock, LATERAL (
            SELECT id, kind, tube, payload, nice, place, CASE
                WHEN runat IS NOT NULL THEN runat
                WHEN delay = 0 THEN now
                ELSE least(now::numeric + delay, 9223372036854775807)::bigint END AS runat
            FROM unnest($2::text[], $3::bytea[], $4::int[], $5::text[], $6::text[],
                $7::bigint[], $8::bigint[])
                WITH ORDINALITY AS new (id, payload, nice, kind, tube, runat, delay, place)
            ORDER BY place) AS new",
            $on_conflict,
            "
        RETURNING seq, id, kind, tube, nice, runat, place),
    queued AS (
        INSERT INTO {ready} (tube, kind, nice, runat, seq)
        SELECT tube, kind, nice, runat, seq FROM added WHERE place = 1),
    delayed AS (
        INSERT INTO {delays} (tube, due, seq)
        SELECT tube, runat, seq FROM added WHERE place = 2),",
            answer!()
        )
    };
}

/// The usual case, in which all ids are new; and that in which what is there already stays.
struct Insert {
    all_new: &'static str,
    some_new: &'static str,
}

const ALIKE: Insert =
    Insert { all_new: insert_alike!(""), some_new: insert_alike!(" ON CONFLICT (id) DO NOTHING") };

const ANY: Insert =
    Insert { all_new: insert_any!(""), some_new: insert_any!(" ON CONFLICT (id) DO NOTHING") };

impl Insert {
    /// The ids of what is new, unless all are.
    fn run(
        &self,
        session: &mut Session,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Vec<String>>, postgres::Error> {
        let rows = match session.query(self.all_new, values) {
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                session.query(self.some_new, values)?
            }
            rows => rows?,
        };
        match rows.first() {
            Some(row) => row.try_get(0),
            None => Ok(None),
        }
    }
}

fn plain(core: &Core, session: &mut Session, additions: &[Addition]) -> Result<Answers, Trouble> {
    let tickets = || additions.iter().map(|addition| &addition.ticket);
    let ids: Vec<_> = tickets().map(|ticket| ticket.id.as_str()).collect();
    let payloads: Vec<&[u8]> = tickets().map(|ticket| ticket.payload.as_bytes()).collect();
    let nices: Vec<_> = tickets().map(|ticket| ticket.nice).collect();
    let now = core.given_now();
    let new = if let Some((kind, tube)) = alike(additions) {
        let (kind, tube) = (kind.as_str(), tube.as_str());
        ALIKE.run(session, &[&now, &ids, &payloads, &nices, &kind, &tube])?
    } else {
        let kinds: Vec<_> = tickets().map(|ticket| ticket.kind.as_str()).collect();
        let tubes: Vec<_> = tickets().map(|ticket| ticket.tube.as_str()).collect();
        let (moments, delays): (Vec<_>, Vec<_>) = tickets().map(times).unzip();
        let values: [&(dyn ToSql + Sync); 8] =
            [&now, &ids, &payloads, &nices, &kinds, &tubes, &moments, &delays];
        ANY.run(session, &values)?
    };
    let Some(new) = new else {
        return Ok(additions.iter().map(|_| Ok(Added::New)).collect());
    };
    let new: HashSet<&str> = new.iter().map(String::as_str).collect();
    Ok(additions
        .iter()
        .map(|Addition { ticket, if_exists }| {
            let id = &ticket.id;
            match if_exists {
                _ if new.contains(id.as_str()) => Ok(Added::New),
                IfExists::Keep => Ok(Added::Kept(id.clone())),
                _ => Err(AddError::Exists { id: id.clone() }),
            }
        })
        .collect())
}

/// The type and the tube of tickets that have the same, and are ready at once.
fn alike(additions: &[Addition]) -> Option<(&Label, &Label)> {
    let first = &additions.first()?.ticket;
    let is_alike = |addition: &Addition| {
        let ticket = &addition.ticket;
        ticket.when == When::Now && ticket.kind == first.kind && ticket.tube == first.tube
    };
    additions.iter().all(is_alike).then_some((&first.kind, &first.tube))
}

/// A moment, or a delay in microseconds.
fn times(ticket: &NewTicket) -> (Option<i64>, i64) {
    match ticket.when {
        When::Now => (None, 0),
        When::In(delay) => (None, (Timestamp::EPOCH + delay).to_database()),
        When::At(moment) => (Some(moment.to_database()), 0),
    }
}

const IN_THE_WAY: &str = "
    SELECT {columns} FROM {tickets}
    WHERE id = ANY($1) OR held_key = ANY($2)
    ORDER BY id FOR UPDATE";

/// What is in the database before, and what is to be in it after.
struct Desk<'a> {
    now: Timestamp,
    /// What stood in the way before: by id.
    old: HashMap<TicketId, Kept>,
    /// Old ones that go.
    removed: Vec<i64>,
    /// New ones, in order; `None` where a later one of the batch took its place.
    new: Vec<Option<Ticket>>,
    new_by_id: HashMap<&'a TicketId, usize>,
    /// Who has a key.
    keys: HashMap<Label, TicketId>,
    groups: Groups,
}

/// Adds one after the other, each seeing what those before it did.
pub(super) fn careful(
    core: &Core,
    session: &mut Session,
    additions: &[Addition],
) -> Result<Answers, Trouble> {
    let mut desk = look(core, session, additions)?;
    let answers = additions.iter().map(|addition| desk.add(addition)).collect();
    let Desk { now, removed, new, groups, .. } = desk;
    rows::remove(session, &removed)?;
    rows::insert(session, new.iter().flatten(), now)?;
    groups::save(session, &groups, now)?;
    Ok(answers)
}

fn look<'a>(
    core: &Core,
    session: &mut Session,
    additions: &'a [Addition],
) -> Result<Desk<'a>, Trouble> {
    let tickets = || additions.iter().map(|addition| &addition.ticket);
    let ids: Vec<_> = tickets().map(|ticket| ticket.id.as_str()).collect();
    let keys: Vec<_> = tickets().filter_map(|t| t.unique_key.as_ref()).map(Label::as_str).collect();
    let old = read_all(&session.query(IN_THE_WAY, &[&ids, &keys])?)?;
    let names = tickets().filter_map(|ticket| ticket.group.as_ref());
    // A ticket that is replaced leaves its group.
    let names = names.chain(old.iter().filter_map(|kept| kept.ticket.group.as_ref()));
    let groups = groups::lock(session, names)?;
    let holders = old.iter().filter(|kept| !kept.ticket.status.is_final());
    let keys = holders
        .filter_map(|kept| Some((kept.ticket.unique_key.clone()?, kept.ticket.id.clone())))
        .collect();
    Ok(Desk {
        now: core.now(session)?,
        old: old.into_iter().map(|kept| (kept.ticket.id.clone(), kept)).collect(),
        removed: Vec::new(),
        new: Vec::new(),
        new_by_id: HashMap::new(),
        keys,
        groups,
    })
}

impl<'a> Desk<'a> {
    fn add(&mut self, addition: &'a Addition) -> Result<Added, AddError> {
        let ticket = &addition.ticket;
        ticket.check()?;
        let there = self.new_by_id.contains_key(&ticket.id) || self.old.contains_key(&ticket.id);
        match addition.if_exists {
            IfExists::Refuse if there => return Err(AddError::Exists { id: ticket.id.clone() }),
            IfExists::Keep if there => return Ok(Added::Kept(ticket.id.clone())),
            _ => {}
        }
        if let Some(holder) = ticket.unique_key.as_ref().and_then(|key| self.keys.get(key))
            && *holder != ticket.id
        {
            return match addition.if_exists {
                IfExists::Keep => Ok(Added::Kept(holder.clone())),
                _ => Err(AddError::KeyTaken { by: holder.clone() }),
            };
        }
        if let Some(name) = &ticket.group {
            let group = self.groups.get(name).ok_or(AddError::NoGroup)?;
            if group.closed {
                return Err(AddError::GroupClosed);
            }
        }
        if there {
            self.remove(&ticket.id);
        }
        if let Some(name) = &ticket.group {
            self.groups.join(name)?;
        }
        if let Some(key) = &ticket.unique_key {
            self.keys.insert(key.clone(), ticket.id.clone());
        }
        self.new_by_id.insert(&ticket.id, self.new.len());
        self.new.push(Some(rules::admit(ticket.clone(), self.now)));
        Ok(if there { Added::Replaced } else { Added::New })
    }

    /// Takes away the ticket whose place another takes.
    fn remove(&mut self, id: &TicketId) {
        let gone = match self.new_by_id.remove(id) {
            Some(place) => self.new[place].take(),
            None => self.old.remove(id).map(|kept| {
                self.removed.push(kept.seq);
                kept.ticket
            }),
        };
        let Some(mut gone) = gone else { return };
        if let Some(key) = &gone.unique_key
            && self.keys.get(key) == Some(id)
        {
            self.keys.remove(key);
        }
        let outcome = rules::apply(&mut gone, None, &Change::Delete, self.now);
        if let (Ok(outcome), Some(name)) = (outcome, &gone.group)
            && let Some(moved) = outcome.moved
        {
            self.groups.count(name, moved, self.now);
        }
    }
}
