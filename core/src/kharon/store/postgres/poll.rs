//! Claiming tickets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postgres::Row;
use postgres::types::ToSql;

use super::pool::{Repeat, Session, Trouble};
use super::rows::{self, WIDTH};
use super::update::{self, Changed, Wanted};
use super::{Core, chance};
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;
use crate::kharon::store::{Poll, Polled, Update};
use crate::kharon::time::Timestamp;

/// The most tickets that one statement makes ready.
const BATCH: i64 = 1000;

/// The most leases that one statement ends.
const LEASES: i64 = 100;

/// How often a poll looks again that found tickets, all of which others were just claiming.
const LOOKS: usize = 3;

/// When to come again after that.
const SOON: Duration = Duration::from_millis(5);

/// The most such statements in one poll: where more tickets fell due at once, the polls after this
/// one go on with it.
const BATCHES: usize = 10;

/// Claims what was `picked`, by its lease in microseconds and by chance.
///
/// A token is the server's time, whatever clock the store goes by, with some chance in its last eleven
/// bits; the lease is called by the first one.
macro_rules! claim {
    ($lease:literal, $chance:literal) => {
        concat!(
            "
    terms AS MATERIALIZED (
        SELECT clock.now, ({now}) * 2048 + ",
            $chance,
            "::bigint AS lease, least(clock.now::numeric + ",
            $lease,
            "::bigint, 9223372036854775807)::bigint AS until
        FROM clock),
    unready AS (DELETE FROM {ready} WHERE ctid = ANY (ARRAY(SELECT row FROM picked))),
    claimed AS (
        UPDATE {tickets} AS t
        SET place = 3, move = t.move + 1, token = terms.lease + picked.number,
            lease = terms.lease, lease_until = terms.until, attempts = attempts + 1,
            mtime = terms.now
        FROM terms, picked
        WHERE t.seq = picked.seq
        RETURNING t.*),
    leased AS (
        INSERT INTO {leases} (tube, until, lease, open, seqs)
        SELECT tube, lease_until, lease, count(*), array_agg(seq) FROM claimed
        GROUP BY tube, lease_until, lease)"
        )
    };
}

/// When the first of a tube is due that is not ready.
macro_rules! first_due {
    ($tube:literal) => {
        concat!(
            "SELECT least(
            (SELECT due FROM {delays} WHERE tube = ",
            $tube,
            " ORDER BY due LIMIT 1),
            (SELECT until FROM {leases} WHERE tube = ",
            $tube,
            " ORDER BY until LIMIT 1)) AS due"
        )
    };
}

/// Reads one entry of the index for each tube and type, then the front of each; the front of the
/// fronts tells how many tickets of which type are to be claimed. Nothing is locked that is not
/// claimed, so polls do not hide tickets from each other.
///
/// Nothing is claimed where tickets have fallen due that are not marked as ready yet, since one of
/// them may go first; unless `$8` says that this was seen to.
///
/// The claim does not wait for the disk. If the server forgets it in a crash, the ticket is claimed
/// again, which is what becomes of any claim whose worker fails to settle. A sequence would then
/// give the same token again; so a token is made of time and chance.
const CLAIM: &str = concat!(
    "
    WITH RECURSIVE clock AS MATERIALIZED (
        SELECT coalesce($1::bigint, {now}) AS now, set_config('synchronous_commit', 'off', true)),
    first_due AS MATERIALIZED (
        SELECT min(first.due) AS due FROM unnest($2::text[]) AS tubes (tube), LATERAL (",
    first_due!("tubes.tube"),
    ") AS first),
    kinds AS (
        SELECT tubes.tube, (
            SELECT r.kind FROM {ready} AS r WHERE r.tube = tubes.tube
            ORDER BY r.kind LIMIT 1) AS kind
        FROM unnest($2::text[]) AS tubes (tube), first_due, clock
        WHERE $8::boolean OR first_due.due IS NULL OR first_due.due > clock.now
        UNION ALL
        SELECT kinds.tube, (
            SELECT r.kind FROM {ready} AS r
            WHERE r.tube = kinds.tube AND r.kind > kinds.kind
            ORDER BY r.kind LIMIT 1)
        FROM kinds WHERE kinds.kind IS NOT NULL),
    budgets AS MATERIALIZED (
        SELECT kinds.tube, kinds.kind, least($3::bigint, coalesce(b.budget, $3)) AS budget
        FROM kinds LEFT JOIN unnest($6::text[], $7::bigint[]) AS b (kind, budget)
            ON b.kind = kinds.kind
        WHERE kinds.kind IS NOT NULL),
    fronts AS (
        SELECT budgets.tube, budgets.kind, budgets.budget, front.*, row_number() OVER (
            PARTITION BY budgets.kind ORDER BY front.nice, front.runat, front.seq) AS place
        FROM budgets, LATERAL (
            SELECT r.nice, r.runat, r.seq FROM {ready} AS r
            WHERE r.tube = budgets.tube AND r.kind = budgets.kind
            ORDER BY r.nice, r.runat, r.seq LIMIT budgets.budget) AS front),
    front AS (
        SELECT tube, kind FROM fronts WHERE place <= budget ORDER BY nice, runat, seq LIMIT $3),
    shares AS MATERIALIZED (SELECT tube, kind, count(*) AS share FROM front GROUP BY tube, kind),
    picked AS MATERIALIZED (
        SELECT pick.*, row_number() OVER () AS number FROM shares, LATERAL (
            SELECT r.ctid AS row, t.seq FROM {ready} AS r JOIN {tickets} AS t USING (seq, move)
            WHERE r.tube = shares.tube AND r.kind = shares.kind AND t.place = 1
            ORDER BY r.nice, r.runat, r.seq LIMIT shares.share
            FOR UPDATE OF t SKIP LOCKED) AS pick),",
    claim!("$4", "$5"),
    "
    SELECT {columns}, clock.now, first_due.due, coalesce((SELECT sum(share) FROM shares), 0) > 0,
        (SELECT count(*) FROM budgets) > 1
    FROM clock CROSS JOIN first_due LEFT JOIN claimed ON true
    ORDER BY nice, runat, seq"
);

/// Settles claimed tickets, and claims others of one tube that has one type in it, without limits: the
/// usual case, in which this is all that there is to do. Where there are several types (`several`),
/// nothing is claimed; nor where tickets have fallen due, if that is looked at.
const TURN: &str = concat!(
    "WITH ",
    update::settling!(),
    ",
    durability AS MATERIALIZED (
        SELECT CASE WHEN cardinality($2) = 0 THEN
            set_config('synchronous_commit', 'off', true) END AS level),
    first_due AS MATERIALIZED (
        SELECT CASE WHEN $13::boolean THEN (",
    first_due!("$9"),
    ") END AS due),
    last AS MATERIALIZED (
        SELECT (SELECT kind FROM {ready} WHERE tube = $9
            ORDER BY kind DESC, nice DESC, runat DESC, seq DESC LIMIT 1) AS kind),
    lane AS MATERIALIZED (
        SELECT last.kind AS sole, EXISTS (
            SELECT 1 FROM {ready} AS r WHERE r.tube = $9 AND r.kind < last.kind) AS several
        FROM last),
    front AS MATERIALIZED (
        SELECT pick.* FROM lane, first_due, clock, LATERAL (
            SELECT r.ctid AS row, r.seq, r.move FROM {ready} AS r
            WHERE r.tube = $9 AND r.kind = lane.sole
            ORDER BY r.nice, r.runat, r.seq LIMIT $10::bigint
            FOR UPDATE SKIP LOCKED) AS pick
        WHERE NOT lane.several AND (first_due.due IS NULL OR first_due.due > clock.now)),
    picked AS MATERIALIZED (
        SELECT pick.*, row_number() OVER () AS number FROM (
            SELECT front.row, t.seq FROM front JOIN {tickets} AS t USING (seq, move)
            WHERE t.place = 1
            FOR UPDATE OF t SKIP LOCKED) AS pick),",
    claim!("$11", "$12"),
    "
    SELECT {columns}, clock.now, first_due.due, lane.sole IS NOT NULL, lane.several, summary.ids
    FROM clock CROSS JOIN first_due CROSS JOIN lane CROSS JOIN summary CROSS JOIN durability
        LEFT JOIN claimed ON true
    ORDER BY nice, runat, seq"
);

/// Makes tickets ready whose time has come. A row that no ticket belongs to goes on the way.
const WAKE: &str = "
    WITH clock AS MATERIALIZED (
        SELECT coalesce($1::bigint, {now}) AS now, set_config('synchronous_commit', 'off', true)),
    picked AS MATERIALIZED (
        SELECT pick.* FROM clock, unnest($2::text[]) AS tubes (tube), LATERAL (
            SELECT d.ctid AS row, t.seq FROM {delays} AS d JOIN {tickets} AS t USING (seq, move)
            WHERE d.tube = tubes.tube AND d.due <= clock.now AND t.place = 2
            ORDER BY d.due LIMIT $3
            FOR UPDATE OF t SKIP LOCKED) AS pick),
    left_over AS MATERIALIZED (
        SELECT pick.* FROM clock, unnest($2::text[]) AS tubes (tube), LATERAL (
            SELECT d.ctid AS row FROM {delays} AS d LEFT JOIN {tickets} AS t USING (seq, move)
            WHERE d.tube = tubes.tube AND d.due <= clock.now AND t.place IS DISTINCT FROM 2
            ORDER BY d.due LIMIT $3) AS pick),
    undelayed AS (
        DELETE FROM {delays} WHERE ctid = ANY (ARRAY(
            SELECT row FROM picked UNION ALL SELECT row FROM left_over))),
    woken AS (
        UPDATE {tickets} AS t SET place = 1, move = t.move + 1
        WHERE t.seq = ANY (ARRAY(SELECT seq FROM picked))
        RETURNING tube, kind, nice, runat, seq, move)
    INSERT INTO {ready} (tube, kind, nice, runat, seq, move)
    SELECT tube, kind, nice, runat, seq, move FROM woken
    RETURNING 1";

/// Ends leases that are over, and makes the tickets ready that are still under them. A lease stays
/// while somebody else holds the lock of a ticket under it: what that one does is not known yet.
const END_LEASES: &str = "
    WITH clock AS MATERIALIZED (
        SELECT coalesce($1::bigint, {now}) AS now, set_config('synchronous_commit', 'off', true)),
    over AS MATERIALIZED (
        SELECT pick.* FROM clock, unnest($2::text[]) AS tubes (tube), LATERAL (
            SELECT l.tube, l.until, l.lease, l.seqs FROM {leases} AS l
            WHERE l.tube = tubes.tube AND l.until <= clock.now
            ORDER BY l.until LIMIT $3) AS pick),
    picked AS MATERIALIZED (
        SELECT t.seq FROM over, unnest(over.seqs) AS under (seq), {tickets} AS t
        WHERE t.seq = under.seq AND t.place = 3 AND t.lease = over.lease
            AND t.lease_until = over.until
        FOR UPDATE OF t SKIP LOCKED),
    ended AS (
        UPDATE {tickets} AS t
        SET place = CASE WHEN t.runat <= clock.now THEN 1 ELSE 2 END, move = t.move + 1
        FROM clock
        WHERE t.seq = ANY (ARRAY(SELECT seq FROM picked))
        RETURNING tube, kind, nice, runat, seq, move, place),
    again AS (
        INSERT INTO {ready} (tube, kind, nice, runat, seq, move)
        SELECT tube, kind, nice, runat, seq, move FROM ended WHERE place = 1),
    delayed AS (
        INSERT INTO {delays} (tube, due, seq, move)
        SELECT tube, runat, seq, move FROM ended WHERE place = 2),
    closed AS (
        DELETE FROM {leases} AS l USING over AS o
        WHERE l.tube = o.tube AND l.until = o.until AND l.lease = o.lease AND NOT EXISTS (
            SELECT 1 FROM unnest(o.seqs) AS under (seq), {tickets} AS t
            WHERE t.seq = under.seq AND t.place = 3 AND t.lease = o.lease
                AND t.lease_until = o.until AND t.seq NOT IN (SELECT seq FROM picked)))
    SELECT 1 FROM over";

/// Claims tickets.
pub(super) fn poll(core: &Core, poll: &Poll) -> Result<Polled, StoreError> {
    if poll.tubes.is_empty() || poll.at_most == 0 {
        return Ok(Polled::default());
    }
    let asked = Asked::new(poll);
    if asked.is_usual(core) {
        let (_, front) = asked.turn(core, &[])?;
        return asked.finish(core, front);
    }
    asked.search(core)
}

/// What was settled, and what was claimed.
pub(super) struct Turned {
    pub(super) changed: Changed,
    pub(super) polled: Result<Polled, StoreError>,
}

/// Settles tickets and claims others, by one statement where that can be; `None` where it cannot, and
/// nothing was done.
pub(super) fn turn(
    core: &Core,
    updates: &[Update],
    poll: &Poll,
) -> Option<Result<Turned, StoreError>> {
    if poll.tubes.is_empty() || poll.at_most == 0 || !update::is_plain(updates) {
        return None;
    }
    let asked = Asked::new(poll);
    if !asked.is_usual(core) {
        return None;
    }
    let turned = asked.turn(core, updates).and_then(|(settled, front)| {
        let changed = update::finish(core, updates, update::answers(updates, settled))?;
        Ok(Turned { changed, polled: asked.finish(core, front) })
    });
    Some(turned)
}

/// What a store remembers of its polls. Only hints: what they are wrong about is noticed.
pub(super) struct Habits {
    /// Several types had ready tickets when it was looked last.
    several: AtomicBool,
    /// When it was looked last whether tickets have fallen due, if there were more ready ones than
    /// could be claimed: in nanoseconds since `began`, and 0 if there were not.
    looked: AtomicU64,
    began: Instant,
}

impl Habits {
    pub(super) fn new() -> Self {
        Self { several: AtomicBool::new(false), looked: AtomicU64::new(0), began: Instant::now() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// How often a store that has more to do than it can looks whether more has fallen due.
const GLANCE: Duration = Duration::from_millis(5);

/// What a claim came to.
struct Front {
    polled: Polled,
    /// Tickets have fallen due that were not looked at.
    overdue: bool,
    /// There were tickets, but others have them, so that there may be others yet.
    contended: bool,
    /// There are tickets of several types.
    several: bool,
}

/// A request in the shape of the statement's values.
struct Asked<'a> {
    tubes: Vec<&'a str>,
    at_most: i64,
    lease: i64,
    lease_length: Duration,
    kinds: Vec<&'a str>,
    budgets: Vec<i64>,
}

impl<'a> Asked<'a> {
    fn new(poll: &'a Poll) -> Self {
        let mut tubes: Vec<&str> = poll.tubes.iter().map(Label::as_str).collect();
        tubes.sort_unstable();
        tubes.dedup();
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut budgets: Vec<(&str, i64)> = Vec::with_capacity(poll.budgets.len());
        for (kind, _) in &poll.budgets {
            if budgets.iter().all(|(known, _)| *known != kind.as_str()) {
                budgets.push((kind.as_str(), count(poll.budget(kind))));
            }
        }
        let (kinds, budgets) = budgets.into_iter().unzip();
        Self {
            tubes,
            at_most: count(poll.at_most),
            lease: (Timestamp::EPOCH + poll.lease).to_database(),
            lease_length: poll.lease,
            kinds,
            budgets,
        }
    }

    /// Whether the usual statement will most likely do.
    fn is_usual(&self, core: &Core) -> bool {
        self.tubes.len() == 1
            && self.kinds.is_empty()
            && !core.habits.several.load(Ordering::Relaxed)
    }

    /// Goes the usual way. What was settled, as [`update::answers`] takes it, and what was claimed.
    fn turn(
        &self,
        core: &Core,
        updates: &[Update],
    ) -> Result<(Option<Vec<String>>, Front), StoreError> {
        let habits = &core.habits;
        let (looked, now) = (habits.looked.load(Ordering::Relaxed), habits.now());
        let recent = looked > 0 && u128::from(now - looked.min(now)) < GLANCE.as_nanos();
        // A clock of one's own may have moved by any time.
        let look = core.clock.is_some() || !recent;
        let wanted = Wanted::new(updates);
        let [ids, tokens, statuses, keeps, expire_ins, reasons, payloads] = wanted.values();
        let chance = chance()? & 0x7FF;
        let turned = core.run(Repeat::OnlyUndone, |session| {
            let values: [&(dyn ToSql + Sync); 13] = [
                &core.given_now(),
                ids,
                tokens,
                statuses,
                keeps,
                expire_ins,
                reasons,
                payloads,
                &self.tubes[0],
                &self.at_most,
                &self.lease,
                &chance,
                &look,
            ];
            let rows = session.query(TURN, &values)?;
            let settled = match rows.first() {
                Some(row) => row.try_get(WIDTH + 4)?,
                None => None,
            };
            Ok((settled, self.read(&rows, false)?))
        });
        let (settled, mut front) = turned?;
        habits.several.store(front.several, Ordering::Relaxed);
        let is_full = front.polled.tickets.len() as u64 == self.at_most.unsigned_abs();
        match (is_full, look) {
            (true, true) => habits.looked.store(now, Ordering::Relaxed),
            (true, false) => {}
            (false, look) => {
                habits.looked.store(0, Ordering::Relaxed);
                if !look {
                    // There may be more that has fallen due since it was looked.
                    front.overdue = true;
                    front.polled.next_in = Some(Duration::ZERO);
                }
            }
        }
        Ok((settled, front))
    }

    /// Looks further where the usual way did not lead to an answer.
    fn finish(&self, core: &Core, front: Front) -> Result<Polled, StoreError> {
        let nothing = front.polled.tickets.is_empty();
        if nothing && (front.overdue || front.several || front.contended) {
            return self.search(core);
        }
        Ok(front.polled)
    }

    /// Goes the way that leads to an answer whatever there is.
    fn search(&self, core: &Core) -> Result<Polled, StoreError> {
        let front = core.run(Repeat::OnlyUndone, |session| {
            let mut front = self.claim(core, session, false)?;
            if front.overdue {
                self.wake(core, session, WAKE, BATCH)?;
                self.wake(core, session, END_LEASES, LEASES)?;
                front = self.claim(core, session, true)?;
            }
            for _ in 0..LOOKS {
                if !front.contended {
                    return Ok(front);
                }
                front = self.claim(core, session, true)?;
            }
            if front.contended {
                front.polled.next_in = Some(SOON);
            }
            Ok(front)
        })?;
        core.habits.several.store(front.several, Ordering::Relaxed);
        Ok(front.polled)
    }

    /// Makes ready what is due, so much in a statement.
    fn wake(
        &self,
        core: &Core,
        session: &mut Session,
        statement: &'static str,
        batch: i64,
    ) -> Result<(), Trouble> {
        for _ in 0..BATCHES {
            let woken = session.query(statement, &[&core.given_now(), &self.tubes, &batch])?;
            if woken.len() < usize::try_from(batch).unwrap_or(usize::MAX) {
                break;
            }
        }
        Ok(())
    }

    fn claim(&self, core: &Core, session: &mut Session, woken: bool) -> Result<Front, Trouble> {
        let chance = chance()? & 0x7FF;
        let rows = session.query(
            CLAIM,
            &[
                &core.given_now(),
                &self.tubes,
                &self.at_most,
                &self.lease,
                &chance,
                &self.kinds,
                &self.budgets,
                &woken,
            ],
        )?;
        self.read(&rows, woken)
    }

    fn read(&self, rows: &[Row], woken: bool) -> Result<Front, Trouble> {
        let mut polled = Polled::default();
        let (mut overdue, mut found, mut several) = (false, false, false);
        for row in rows {
            let now = Timestamp::from_database(row.try_get(WIDTH)?);
            let due: Option<i64> = row.try_get(WIDTH + 1)?;
            let due = due.map(Timestamp::from_database);
            overdue = !woken && due.is_some_and(|due| due <= now);
            found = row.try_get(WIDTH + 2)?;
            several = row.try_get(WIDTH + 3)?;
            polled.next_in = due.filter(|due| *due < Timestamp::NEVER).map(|due| due.since(now));
            if row.try_get::<_, Option<i64>>(0)?.is_some() {
                polled.tickets.push(rows::ticket(row)?.ticket);
            }
        }
        if !polled.tickets.is_empty() {
            let own = polled.next_in.map_or(self.lease_length, |next| next.min(self.lease_length));
            polled.next_in = Some(own);
        }
        let contended = found && polled.tickets.is_empty();
        Ok(Front { polled, overdue, contended, several })
    }
}
