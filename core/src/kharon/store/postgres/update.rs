//! Changing tickets.

use std::collections::{HashMap, HashSet};

use postgres::types::ToSql;

use super::groups;
use super::pool::{Repeat, Session, Trouble};
use super::rows::{self, Kept};
use super::{Core, read_all};
use crate::kharon::error::{StoreError, UpdateError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::payload::MAX_PAYLOAD;
use crate::kharon::rules;
use crate::kharon::store::{Change, Update};
use crate::kharon::ticket::Status;
use crate::kharon::time::Timestamp;

pub(super) type Answer = Result<(), UpdateError>;

/// What became of a batch of changes.
pub(super) struct Changed {
    pub(super) answers: Vec<Answer>,
    /// Whether a ticket may have become ready.
    pub(super) woke: bool,
}

/// Changes tickets: those that are settled by one statement, and then the others.
pub(super) fn update(core: &Core, updates: &[Update]) -> Result<Changed, StoreError> {
    if !is_plain(updates) {
        return finish(core, updates, vec![None; updates.len()]);
    }
    let wanted = Wanted::new(updates);
    let settled = core.run(Repeat::OnlyUndone, |session| Ok(settle(core, session, &wanted)?))?;
    finish(core, updates, answers(updates, settled))
}

/// The answers of a statement that settled these of them, or all.
pub(super) fn answers(updates: &[Update], settled: Option<Vec<String>>) -> Vec<Option<Answer>> {
    let settled: Option<HashSet<String>> = settled.map(|ids| ids.into_iter().collect());
    let is_settled = |update: &Update| {
        settled.as_ref().is_none_or(|settled| settled.contains(update.id.as_str()))
    };
    updates.iter().map(|update| is_settled(update).then_some(Ok(()))).collect()
}

/// Makes the changes that have no answer yet.
pub(super) fn finish(
    core: &Core,
    updates: &[Update],
    answers: Vec<Option<Answer>>,
) -> Result<Changed, StoreError> {
    let open = || updates.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
    let left: Vec<&Update> = open().map(|(update, _)| update).collect();
    let mut woke = false;
    let mut rest = Vec::new().into_iter();
    if !left.is_empty() {
        let changed = core.run(Repeat::OnlyUndone, |session| {
            session.atomically(|session| careful(core, session, &left))
        })?;
        woke = changed.woke;
        rest = changed.answers.into_iter();
    }
    let answers = answers.into_iter().map(|answer| {
        // There is one of the rest for each that was left.
        answer.or_else(|| rest.next()).unwrap_or(Err(UpdateError::NotFound))
    });
    Ok(Changed { answers: answers.collect(), woke })
}

/// Whether one statement can settle them: no two of one ticket, and nothing but settling under claims.
pub(super) fn is_plain(updates: &[Update]) -> bool {
    let mut ids = HashSet::with_capacity(updates.len());
    !updates.is_empty()
        && updates.iter().all(|update| {
            let settles = match &update.change {
                Change::Finish { status, payload, .. } => {
                    let fits = payload.as_ref().is_none_or(|payload| payload.len() <= MAX_PAYLOAD);
                    *status != Status::Pending && fits
                }
                _ => false,
            };
            settles && update.token.is_some() && ids.insert(&update.id)
        })
}

/// The parts of a statement that settle claimed tickets: values `$1` to `$8`, which are the time, if it
/// is given, and those of [`Wanted`]; `settled` are those that were settled.
///
/// Tickets of groups, and such that repeat, are left for the careful way; so are those of which the
/// claim is void, since here it can not be told why nothing was done.
macro_rules! settling {
    () => {
        concat!(
            "clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
    wanted AS MATERIALIZED (
        SELECT w.*, clock.now,
            CASE WHEN w.expire_in IS NOT NULL THEN
                least(clock.now::numeric + w.expire_in, 9223372036854775807)::bigint
            END AS expires_at
        FROM clock, unnest($2::text[], $3::bigint[], $4::smallint[], $5::boolean[], $6::bigint[],
            $7::text[], $8::bytea[])
            AS w (id, token, status, keep, expire_in, reason, payload)),
    removed AS (
        DELETE FROM {tickets} AS t USING wanted AS w
        WHERE NOT w.keep AND t.id = w.id AND t.place = 3 AND t.grp IS NULL AND t.repeat IS NULL
            AND t.token = w.token AND t.lease_until > w.now
        RETURNING t.id, NULL::smallint AS status, t.tube, t.lease_until, t.lease),
    kept AS (
        UPDATE {tickets} AS t
        SET status = w.status, place = 0, move = t.move + 1, mtime = w.now, expires_at = w.expires_at,
            held_key = NULL, error_reason = coalesce(w.reason, t.error_reason),
            payload = coalesce(w.payload, t.payload)
        FROM wanted AS w
        WHERE w.keep AND t.id = w.id AND t.place = 3 AND t.grp IS NULL AND t.repeat IS NULL
            AND t.token = w.token AND t.lease_until > w.now
        RETURNING t.id, t.status, t.tube, t.lease_until, t.lease),
    settled AS MATERIALIZED (SELECT * FROM removed UNION ALL SELECT * FROM kept),",
            rows::unlease!("settled"),
            ",
    tallied AS (
        INSERT INTO {tallies} (pending, done, failed, cancelled)
        SELECT -count(*), count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 2),
            count(*) FILTER (WHERE status = 3)
        FROM settled HAVING count(*) > 0),
    summary AS MATERIALIZED (
        SELECT CASE WHEN count(*) < cardinality($2) THEN coalesce(array_agg(id), '{}') END AS ids
        FROM settled)"
        )
    };
}
pub(super) use settling;

/// Settles, and returns the ids of what was settled, unless it was all.
const SETTLE: &str = concat!("WITH ", settling!(), " SELECT ids FROM summary");

/// What is to be settled, as one array for each column.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    ids: Vec<&'a str>,
    tokens: Vec<Option<i64>>,
    statuses: Vec<i16>,
    keeps: Vec<bool>,
    expire_ins: Vec<Option<i64>>,
    reasons: Vec<Option<Box<str>>>,
    payloads: Vec<Option<&'a [u8]>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(updates: &'a [Update]) -> Self {
        let mut wanted = Self::default();
        for update in updates {
            let Change::Finish { status, keep, expire_in, reason, payload } = &update.change else {
                continue;
            };
            wanted.ids.push(update.id.as_str());
            wanted.tokens.push(update.token.map(|token| token.0.cast_signed()));
            wanted.statuses.push(status.code());
            wanted.keeps.push(*keep);
            wanted.expire_ins.push(expire_in.map(|after| (Timestamp::EPOCH + after).to_database()));
            wanted.reasons.push(reason.as_deref().map(rules::shorten));
            wanted.payloads.push(payload.as_deref());
        }
        wanted
    }

    /// The values `$2` to `$8`.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.ids,
            &self.tokens,
            &self.statuses,
            &self.keeps,
            &self.expire_ins,
            &self.reasons,
            &self.payloads,
        ]
    }
}

/// Settles what is simply to be settled, and says which that was, unless it was all.
fn settle(
    core: &Core,
    session: &mut Session,
    wanted: &Wanted<'_>,
) -> Result<Option<Vec<String>>, postgres::Error> {
    let now = core.given_now();
    let [ids, tokens, statuses, keeps, expire_ins, reasons, payloads] = wanted.values();
    let rows = session
        .query(SETTLE, &[&now, ids, tokens, statuses, keeps, expire_ins, reasons, payloads])?;
    match rows.first() {
        Some(row) => row.try_get(0),
        None => Ok(None),
    }
}

/// The groups of the tickets are read beforehand, and locked after the tickets: whoever locks
/// both does so in this order.
const LOCK: &str = "SELECT {columns} FROM {tickets} WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const KEYS: &str = "
    SELECT held_key, id FROM {tickets} WHERE held_key = ANY($1)";

/// Changes one after the other by the rules, each seeing what those before it did.
fn careful(core: &Core, session: &mut Session, updates: &[&Update]) -> Result<Changed, Trouble> {
    let ids: Vec<&str> = updates.iter().map(|update| update.id.as_str()).collect();
    let found = read_all(&session.query(LOCK, &[&ids])?)?;
    let mut groups =
        groups::lock(session, found.iter().filter_map(|kept| kept.ticket.group.as_ref()))?;
    let mut holders = key_holders(session, &found)?;
    // Read after the locks: a lease may have run out while they were waited for.
    let now = core.now(session)?;
    let mut tickets: HashMap<TicketId, Kept> =
        found.into_iter().map(|kept| (kept.ticket.id.clone(), kept)).collect();
    let (mut changed, mut removed) = (HashSet::new(), Vec::new());
    let mut answers = Vec::with_capacity(updates.len());
    for update in updates {
        let Some(kept) = tickets.get_mut(&update.id) else {
            answers.push(Err(UpdateError::NotFound));
            continue;
        };
        let mut ticket = kept.ticket.clone();
        let outcome = match rules::apply(&mut ticket, update.token, &update.change, now) {
            Ok(outcome) => outcome,
            Err(error) => {
                answers.push(Err(error));
                continue;
            }
        };
        if matches!(update.change, Change::Revive { .. })
            && let Some(by) = ticket.unique_key.as_ref().and_then(|key| holders.get(key))
        {
            answers.push(Err(UpdateError::KeyTaken { by: by.clone() }));
            continue;
        }
        kept.ticket = ticket;
        answers.push(Ok(()));
        if let (Some(name), Some(moved)) = (&kept.ticket.group, outcome.moved) {
            groups.count(name, moved, now);
        }
        if let Some(key) = &kept.ticket.unique_key {
            if outcome.removed || kept.ticket.status.is_final() {
                holders.retain(|held, by| held != key || *by != update.id);
            } else {
                holders.insert(key.clone(), update.id.clone());
            }
        }
        if outcome.removed {
            removed.push(kept.seq);
            changed.remove(&update.id);
            tickets.remove(&update.id);
        } else {
            changed.insert(update.id.clone());
        }
    }
    // Before the others are written: a key that is given up here may be taken there.
    rows::remove(session, &removed)?;
    let written = || changed.iter().filter_map(|id| tickets.get(id));
    let (settled, pending): (Vec<&Kept>, Vec<&Kept>) =
        written().partition(|kept| kept.ticket.status.is_final());
    let woke = !pending.is_empty() || groups.has_freed();
    rows::update(session, settled.into_iter(), now)?;
    rows::update(session, pending.into_iter(), now)?;
    groups::save(session, &groups, now)?;
    Ok(Changed { answers, woke })
}

/// Who has the keys of these tickets now.
fn key_holders(
    session: &mut Session,
    tickets: &[Kept],
) -> Result<HashMap<Label, TicketId>, Trouble> {
    let keys: Vec<&str> = tickets
        .iter()
        .filter_map(|kept| kept.ticket.unique_key.as_ref())
        .map(Label::as_str)
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let holder = |row: &postgres::Row| -> Result<(Label, TicketId), StoreError> {
        let read = || {
            let id: &str = rows::get(row, 1)?;
            let id = TicketId::new(id).map_err(|error| error.to_string())?;
            Ok((rows::label(rows::get(row, 0)?)?, id))
        };
        read().map_err(|problem: String| super::error::corrupt(&problem))
    };
    let rows = session.query(KEYS, &[&keys])?;
    Ok(rows.iter().map(holder).collect::<Result<_, _>>()?)
}
