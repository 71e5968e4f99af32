//! Tickets as rows, and rows as tickets.

use postgres::types::{FromSql, ToSql};
use postgres::{Error, Row};

use super::error::corrupt;
use super::pool::{Session, Trouble};
use crate::kharon::error::StoreError;
use crate::kharon::name::{Label, TicketId};
use crate::kharon::payload::Payload;
use crate::kharon::rules;
use crate::kharon::schedule::Repeat;
use crate::kharon::ticket::{ClaimToken, Lease, Status, Ticket};
use crate::kharon::time::Timestamp;

/// The columns of a ticket, in the order in which [`ticket`] reads them.
pub(super) const COLUMNS: &str = "seq, id, kind, tube, payload, nice, runat, status, attempts, \
     ctime, mtime, error_reason, expires_at, token, lease_until, grp, unique_key, repeat";

/// How many they are: what a statement adds to them begins here.
pub(super) const WIDTH: usize = 18;

/// A ticket, and its place in the order of adding.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) ticket: Ticket,
}

/// Reads a row of [`COLUMNS`].
pub(super) fn ticket(row: &Row) -> Result<Kept, StoreError> {
    read(row).map_err(|problem| corrupt(&problem))
}

fn read(row: &Row) -> Result<Kept, String> {
    let id: &str = get(row, 1)?;
    let id = TicketId::new(id).map_err(|error| error.to_string())?;
    let mut ticket = Ticket::bare(id, label(get(row, 2)?)?, label(get(row, 3)?)?);
    ticket.payload = Payload::from(get::<&[u8]>(row, 4)?);
    ticket.nice = get(row, 5)?;
    ticket.runat = Timestamp::from_database(get(row, 6)?);
    let status: i16 = get(row, 7)?;
    ticket.status = Status::from_code(status).ok_or_else(|| format!("a status {status}"))?;
    ticket.attempts = u32::try_from(get::<i64>(row, 8)?).unwrap_or(u32::MAX);
    ticket.ctime = Timestamp::from_database(get(row, 9)?);
    ticket.mtime = Timestamp::from_database(get(row, 10)?);
    ticket.error_reason = get::<Option<&str>>(row, 11)?.map(Box::from);
    ticket.expires_at = get::<Option<i64>>(row, 12)?.map(Timestamp::from_database);
    let token: Option<i64> = get(row, 13)?;
    let until: Option<i64> = get(row, 14)?;
    // Settling leaves them as they are.
    let claim = token.zip(until).filter(|_| ticket.status == Status::Pending);
    ticket.lease = claim.map(|(token, until)| Lease {
        token: ClaimToken(token.cast_unsigned()),
        until: Timestamp::from_database(until),
    });
    ticket.group = get::<Option<&str>>(row, 15)?.map(label).transpose()?;
    ticket.unique_key = get::<Option<&str>>(row, 16)?.map(label).transpose()?;
    ticket.repeat = match get::<Option<&str>>(row, 17)? {
        None => None,
        Some(text) => {
            let repeat = Repeat::from_text(text);
            Some(Box::new(repeat.ok_or_else(|| format!("a schedule {text:?}"))?))
        }
    };
    Ok(Kept { seq: get(row, 0)?, ticket })
}

/// A column, or what is wrong with it.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, String> {
    row.try_get(at).map_err(|error: Error| error.to_string())
}

pub(super) fn label(text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|error| error.to_string())
}

/// Tickets as one array for each column, so that one statement writes them all.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) seq: Vec<i64>,
    id: Vec<&'a str>,
    kind: Vec<&'a str>,
    tube: Vec<&'a str>,
    payload: Vec<&'a [u8]>,
    nice: Vec<i32>,
    runat: Vec<i64>,
    status: Vec<i16>,
    attempts: Vec<i64>,
    ctime: Vec<i64>,
    mtime: Vec<i64>,
    error_reason: Vec<Option<&'a str>>,
    expires_at: Vec<Option<i64>>,
    token: Vec<Option<i64>>,
    lease_until: Vec<Option<i64>>,
    group: Vec<Option<&'a str>>,
    unique_key: Vec<Option<&'a str>>,
    repeat: Vec<Option<String>>,
    held_key: Vec<Option<&'a str>>,
    place: Vec<i16>,
}

impl<'a> Columns<'a> {
    /// Adds a ticket as it stands at a moment; `seq` is of no account for one that is new.
    pub(super) fn push(&mut self, seq: i64, ticket: &'a Ticket, now: Timestamp) {
        self.seq.push(seq);
        self.id.push(ticket.id.as_str());
        self.kind.push(ticket.kind.as_str());
        self.tube.push(ticket.tube.as_str());
        self.payload.push(&ticket.payload);
        self.nice.push(ticket.nice);
        self.runat.push(ticket.runat.to_database());
        self.status.push(ticket.status.code());
        self.attempts.push(i64::from(ticket.attempts));
        self.ctime.push(ticket.ctime.to_database());
        self.mtime.push(ticket.mtime.to_database());
        self.error_reason.push(ticket.error_reason.as_deref());
        self.expires_at.push(ticket.expires_at.map(Timestamp::to_database));
        self.token.push(ticket.lease.map(|lease| lease.token.0.cast_signed()));
        self.lease_until.push(ticket.lease.map(|lease| lease.until.to_database()));
        self.group.push(ticket.group.as_ref().map(Label::as_str));
        self.unique_key.push(ticket.unique_key.as_ref().map(Label::as_str));
        self.repeat.push(ticket.repeat.as_ref().map(|repeat| repeat.to_text()));
        let pending_key = ticket.unique_key.as_ref().filter(|_| !ticket.status.is_final());
        self.held_key.push(pending_key.map(Label::as_str));
        self.place.push(place(ticket, now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seq.is_empty()
    }

    /// The values of [`INSERT`].
    pub(super) fn to_insert(&self) -> [&(dyn ToSql + Sync); 19] {
        [
            &self.id,
            &self.kind,
            &self.tube,
            &self.payload,
            &self.nice,
            &self.runat,
            &self.status,
            &self.attempts,
            &self.ctime,
            &self.mtime,
            &self.error_reason,
            &self.expires_at,
            &self.token,
            &self.lease_until,
            &self.group,
            &self.unique_key,
            &self.repeat,
            &self.held_key,
            &self.place,
        ]
    }

    /// The values of [`UPDATE`].
    pub(super) fn to_update(&self) -> [&(dyn ToSql + Sync); 14] {
        [
            &self.seq,
            &self.payload,
            &self.nice,
            &self.runat,
            &self.status,
            &self.attempts,
            &self.mtime,
            &self.error_reason,
            &self.expires_at,
            &self.token,
            &self.lease_until,
            &self.repeat,
            &self.held_key,
            &self.place,
        ]
    }
}

/// Where a ticket lies at a moment: nowhere, among the ready, among those that wait for their time, or
/// under a claim.
fn place(ticket: &Ticket, now: Timestamp) -> i16 {
    match rules::ready_at(ticket) {
        None => 0,
        Some(_) if ticket.lease.is_some_and(|lease| lease.until > now) => 3,
        Some(_) if ticket.runat > now => 2,
        Some(_) => 1,
    }
}

/// The parts of a statement that take tickets off their leases: those of `$from` that are under one.
macro_rules! unlease {
    ($from:literal) => {
        concat!(
            "
    ended AS MATERIALIZED (
        SELECT l.tube, l.until, l.lease, l.open, ended.count FROM (
            SELECT tube, lease_until, lease, count(*) FROM ",
            $from,
            "
            WHERE lease IS NOT NULL GROUP BY tube, lease_until, lease) AS ended
        JOIN {leases} AS l
            ON l.tube = ended.tube AND l.until = ended.lease_until AND l.lease = ended.lease),
    closed AS (
        DELETE FROM {leases} AS l USING ended AS e
        WHERE l.tube = e.tube AND l.until = e.until AND l.lease = e.lease AND e.open <= e.count),
    lessened AS (
        UPDATE {leases} AS l SET open = l.open - e.count
        FROM (SELECT * FROM ended WHERE open > count ORDER BY tube, until, lease) AS e
        WHERE l.tube = e.tube AND l.until = e.until AND l.lease = e.lease)"
        )
    };
}
pub(super) use unlease;

/// The columns of a tally of what `$from` has, each with this sign.
macro_rules! tally {
    ($sign:literal, $from:literal) => {
        concat!(
            "
        INSERT INTO {tallies} (pending, done, failed, cancelled)
        SELECT ",
            $sign,
            "count(*) FILTER (WHERE status = 0), ",
            $sign,
            "count(*) FILTER (WHERE status = 1), ",
            $sign,
            "count(*) FILTER (WHERE status = 2), ",
            $sign,
            "count(*) FILTER (WHERE status = 3) FROM ",
            $from,
            " HAVING count(*) > 0"
        )
    };
}
pub(super) use tally;

/// Adds tickets in the order given, and says which numbers they got.
const INSERT: &str = "
    INSERT INTO {tickets} (id, kind, tube, payload, nice, runat, status, attempts, ctime, mtime,
        error_reason, expires_at, token, lease_until, grp, unique_key, repeat, held_key, place)
    SELECT id, kind, tube, payload, nice, runat, status, attempts, ctime, mtime,
        error_reason, expires_at, token, lease_until, grp, unique_key, repeat, held_key, new_place
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::int[], $6::bigint[],
        $7::smallint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bigint[],
        $13::bigint[], $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[],
        $19::smallint[])
        WITH ORDINALITY AS new (id, kind, tube, payload, nice, runat, status, attempts, ctime,
        mtime, error_reason, expires_at, token, lease_until, grp, unique_key, repeat, held_key,
        new_place, number)
    ORDER BY number
    RETURNING seq";

const UPDATE: &str = "
    UPDATE {tickets} AS t SET payload = new.payload, nice = new.nice, runat = new.runat,
        status = new.status, attempts = new.attempts, mtime = new.mtime,
        error_reason = new.error_reason, expires_at = new.expires_at, token = new.token,
        lease_until = new.lease_until, lease = new.token, repeat = new.repeat,
        held_key = new.held_key, place = new.place, move = t.move + 1
    FROM unnest($1::bigint[], $2::bytea[], $3::int[], $4::bigint[], $5::smallint[], $6::bigint[],
        $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
        $13::text[], $14::smallint[])
        AS new (seq, payload, nice, runat, status, attempts, mtime, error_reason, expires_at,
        token, lease_until, repeat, held_key, place)
    WHERE t.seq = new.seq";

/// Takes tickets, whose rows are locked, out of the place where they are.
const LEAVE: &str = concat!(
    "
    WITH old AS MATERIALIZED (
        SELECT seq, tube, kind, nice, runat, status, place, lease_until,
            CASE WHEN place = 3 THEN lease END AS lease
        FROM {tickets} WHERE seq = ANY($1)),
    unready AS (
        DELETE FROM {ready} AS r USING old
        WHERE old.place = 1 AND r.tube = old.tube AND r.kind = old.kind AND r.nice = old.nice
            AND r.runat = old.runat AND r.seq = old.seq),
    undelayed AS (
        DELETE FROM {delays} AS d USING old
        WHERE old.place = 2 AND d.tube = old.tube AND d.due = old.runat AND d.seq = old.seq),",
    unlease!("old"),
    tally!("-", "old")
);

/// Puts tickets, whose rows are locked, into the place where they belong. One that is claimed gets a
/// lease of its own, by its token.
const ENTER: &str = concat!(
    "
    WITH new AS MATERIALIZED (
        SELECT seq, tube, kind, nice, runat, status, place, move, lease_until, lease
        FROM {tickets} WHERE seq = ANY($1)),
    again AS (
        INSERT INTO {ready} (tube, kind, nice, runat, seq, move)
        SELECT tube, kind, nice, runat, seq, move FROM new WHERE place = 1),
    delayed AS (
        INSERT INTO {delays} (tube, due, seq, move)
        SELECT tube, runat, seq, move FROM new WHERE place = 2),
    leased AS (
        INSERT INTO {leases} (tube, until, lease, open, seqs)
        SELECT tube, lease_until, lease, 1, ARRAY[seq] FROM new WHERE place = 3)",
    tally!("", "new")
);

/// Adds tickets as they stand at a moment.
pub(super) fn insert<'a>(
    session: &mut Session,
    tickets: impl Iterator<Item = &'a Ticket>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let mut columns = Columns::default();
    for ticket in tickets {
        columns.push(0, ticket, now);
    }
    if columns.is_empty() {
        return Ok(());
    }
    let rows = session.query(INSERT, &columns.to_insert())?;
    let seqs: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    session.query(ENTER, &[&seqs])?;
    Ok(())
}

/// Writes tickets that are there as they stand at a moment.
pub(super) fn update<'a>(
    session: &mut Session,
    tickets: impl Iterator<Item = &'a Kept>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let mut columns = Columns::default();
    for kept in tickets {
        columns.push(kept.seq, &kept.ticket, now);
    }
    if !columns.is_empty() {
        session.query(LEAVE, &[&columns.seq])?;
        session.query(UPDATE, &columns.to_update())?;
        session.query(ENTER, &[&columns.seq])?;
    }
    Ok(())
}

/// Removes tickets whose rows are locked.
pub(super) fn remove(session: &mut Session, seqs: &[i64]) -> Result<(), Trouble> {
    if !seqs.is_empty() {
        session.query(LEAVE, &[&seqs])?;
        session.query("DELETE FROM {tickets} WHERE seq = ANY($1)", &[&seqs])?;
    }
    Ok(())
}
