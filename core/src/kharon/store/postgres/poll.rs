//! Claiming tickets.

use std::time::Duration;

use super::pool::{Repeat, Session, Trouble};
use super::rows::{self, WIDTH};
use super::{Core, chance};
use crate::kharon::error::StoreError;
use crate::kharon::name::Label;
use crate::kharon::store::{Poll, Polled};
use crate::kharon::time::Timestamp;

/// The most tickets that one statement makes ready.
const BATCH: i64 = 1000;

/// How often a poll looks again that found tickets, all of which others were just claiming.
const LOOKS: usize = 3;

/// When to come again after that.
const SOON: Duration = Duration::from_millis(5);

/// The most such statements in one poll: where more tickets fell due at once, the polls after this
/// one go on with it.
const BATCHES: usize = 10;

/// Reads one entry of the index for each tube and type, then the front of each; the front of the
/// fronts tells how many tickets of which type are to be claimed. Nothing is locked that is not
/// claimed, so polls do not hide tickets from each other.
///
/// Nothing is claimed where tickets have fallen due that are not marked as ready yet, since one of
/// them may go first; unless `$8` says that this was seen to.
///
/// The claim does not wait for the disk. If the server forgets it in a crash, the ticket is claimed
/// again, which is what becomes of any claim whose worker fails to settle. A sequence would then
/// give the same token again; so a token is the server's time, whatever clock the store goes by,
/// with some chance in its last eleven bits.
const CLAIM: &str = "
    WITH RECURSIVE clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
    waiting AS MATERIALIZED (
        SELECT min(first.due) AS due FROM unnest($2::text[]) AS tubes (tube), LATERAL (
            SELECT due FROM {tickets} AS t
            WHERE t.status = 0 AND NOT t.ready AND t.tube = tubes.tube
            ORDER BY due LIMIT 1) AS first),
    kinds AS (
        SELECT tubes.tube, (
            SELECT t.kind FROM {tickets} AS t WHERE t.ready AND t.tube = tubes.tube
            ORDER BY t.kind LIMIT 1) AS kind
        FROM unnest($2::text[]) AS tubes (tube), waiting, clock
        WHERE $8::boolean OR waiting.due IS NULL OR waiting.due > clock.now
        UNION ALL
        SELECT kinds.tube, (
            SELECT t.kind FROM {tickets} AS t
            WHERE t.ready AND t.tube = kinds.tube AND t.kind > kinds.kind
            ORDER BY t.kind LIMIT 1)
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
            SELECT t.nice, t.runat, t.seq FROM {tickets} AS t
            WHERE t.ready AND t.tube = budgets.tube AND t.kind = budgets.kind
            ORDER BY t.nice, t.runat, t.seq LIMIT budgets.budget) AS front),
    front AS (
        SELECT tube, kind FROM fronts WHERE place <= budget ORDER BY nice, runat, seq LIMIT $3),
    shares AS MATERIALIZED (SELECT tube, kind, count(*) AS share FROM front GROUP BY tube, kind),
    picked AS MATERIALIZED (
        SELECT pick.seq, row_number() OVER () AS place FROM shares, LATERAL (
            SELECT t.seq FROM {tickets} AS t
            WHERE t.ready AND t.tube = shares.tube AND t.kind = shares.kind
            ORDER BY t.nice, t.runat, t.seq LIMIT shares.share
            FOR UPDATE SKIP LOCKED) AS pick),
    claimed AS (
        UPDATE {tickets} AS t
        SET ready = false, token = ({now}) * 2048 + $5::bigint + picked.place, attempts = attempts + 1, mtime = clock.now,
            lease_until = least(clock.now::numeric + $4::bigint, 9223372036854775807)::bigint,
            due = least(clock.now::numeric + $4::bigint, 9223372036854775807)::bigint
        FROM clock, picked
        WHERE t.seq = picked.seq AND t.ready
        RETURNING t.*, set_config('synchronous_commit', 'off', true))
    SELECT {columns}, clock.now, waiting.due, coalesce((SELECT sum(share) FROM shares), 0) > 0
    FROM clock CROSS JOIN waiting LEFT JOIN claimed ON true
    ORDER BY nice, runat, seq";

const WAKE: &str = "
    WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
    picked AS MATERIALIZED (
        SELECT pick.seq FROM clock, unnest($2::text[]) AS tubes (tube), LATERAL (
            SELECT t.seq FROM {tickets} AS t
            WHERE t.status = 0 AND NOT t.ready AND t.tube = tubes.tube AND t.due <= clock.now
            ORDER BY t.due LIMIT $3
            FOR UPDATE SKIP LOCKED) AS pick)
    UPDATE {tickets} AS t SET ready = true
    WHERE t.seq = ANY (ARRAY(SELECT seq FROM picked)) AND t.status = 0 AND NOT t.ready
    RETURNING set_config('synchronous_commit', 'off', true)";

/// Claims tickets.
pub(super) fn poll(core: &Core, poll: &Poll) -> Result<Polled, StoreError> {
    if poll.tubes.is_empty() || poll.at_most == 0 {
        return Ok(Polled::default());
    }
    let asked = Asked::new(poll);
    Ok(core.run(Repeat::OnlyUndone, |session| {
        let mut front = asked.claim(core, session, false)?;
        if front.overdue {
            for _ in 0..BATCHES {
                let woken = session.query(WAKE, &[&core.given_now(), &asked.tubes, &BATCH])?;
                if woken.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                    break;
                }
            }
            front = asked.claim(core, session, true)?;
        }
        for _ in 0..LOOKS {
            if !front.contended {
                return Ok(front.polled);
            }
            front = asked.claim(core, session, true)?;
        }
        if front.contended {
            front.polled.next_in = Some(SOON);
        }
        Ok(front.polled)
    })?)
}

/// What a claim came to.
struct Front {
    polled: Polled,
    /// Tickets have fallen due that were not looked at.
    overdue: bool,
    /// There were tickets, but others have them, so that there may be others yet.
    contended: bool,
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
        let mut polled = Polled::default();
        let (mut overdue, mut found) = (false, false);
        for row in &rows {
            let now = Timestamp::from_database(row.try_get(WIDTH)?);
            let due: Option<i64> = row.try_get(WIDTH + 1)?;
            let due = due.map(Timestamp::from_database);
            overdue = !woken && due.is_some_and(|due| due <= now);
            found = row.try_get(WIDTH + 2)?;
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
        Ok(Front { polled, overdue, contended })
    }
}
