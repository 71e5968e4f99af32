//! Finding, listing and counting tickets, and removing those that have expired.

use std::time::Duration;

use super::pool::Repeat;
use super::rows;
use super::{Core, read_all};
use crate::kharon::error::StoreError;
use crate::kharon::name::{Label, TicketId};
use crate::kharon::store::{Cursor, Expired, Filter, Listing, Page, StoreStats};
use crate::kharon::ticket::{Status, Ticket};

pub(super) fn get(core: &Core, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
    const GET: &str = "SELECT {columns} FROM {tickets} WHERE id = $1";
    Ok(core.run(Repeat::Harmless, |session| {
        let rows = session.query(GET, &[&id.as_str()])?;
        Ok(rows.first().map(rows::ticket).transpose()?.map(|kept| kept.ticket))
    })?)
}

pub(super) fn list(core: &Core, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
    const LIST: &str = "
        SELECT {columns} FROM {tickets}
        WHERE seq > $1 AND ($2::smallint IS NULL OR status = $2)
            AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR tube = $4)
            AND ($5::text IS NULL OR grp = $5)
        ORDER BY seq LIMIT $6";
    let after = page.after.map_or(0, |Cursor(seq)| i64::try_from(seq).unwrap_or(i64::MAX));
    let at_most = i64::try_from(page.at_most).unwrap_or(i64::MAX);
    let status = filter.status.map(Status::code);
    let [kind, tube, group] =
        [&filter.kind, &filter.tube, &filter.group].map(|label| label.as_ref().map(Label::as_str));
    let kept = core.run(Repeat::Harmless, |session| {
        let rows = session.query(LIST, &[&after, &status, &kind, &tube, &group, &at_most])?;
        Ok(read_all(&rows)?)
    })?;
    let full = kept.len() >= page.at_most;
    let next = kept.last().filter(|_| full).map(|kept| Cursor(kept.seq.cast_unsigned()));
    Ok(Listing { tickets: kept.into_iter().map(|kept| kept.ticket).collect(), next })
}

pub(super) fn stats(core: &Core) -> Result<StoreStats, StoreError> {
    const STATS: &str = "
        SELECT status, count(*), count(*) FILTER (
            WHERE place = 2 AND lease_until > coalesce($1::bigint, {now}))
        FROM {tickets} GROUP BY status";
    Ok(core.run(Repeat::Harmless, |session| {
        let mut stats = StoreStats::default();
        for row in session.query(STATS, &[&core.given_now()])? {
            let count = |at| row.try_get::<_, i64>(at).map(i64::cast_unsigned);
            match Status::from_code(row.try_get(0)?) {
                Some(Status::Pending) => (stats.pending, stats.claimed) = (count(1)?, count(2)?),
                Some(Status::Done) => stats.done = count(1)?,
                Some(Status::Failed) => stats.failed = count(1)?,
                Some(Status::Cancelled) => stats.cancelled = count(1)?,
                None => return Err(super::error::corrupt("a status of no meaning").into()),
            }
        }
        Ok(stats)
    })?)
}

/// Removes expired tickets, and then expired groups.
pub(super) fn expire(core: &Core, at_most: usize) -> Result<Expired, StoreError> {
    const EXPIRE: &str = "
        WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
        picked AS MATERIALIZED (
            SELECT t.seq FROM {tickets} AS t, clock
            WHERE t.expires_at IS NOT NULL AND t.expires_at <= clock.now
            ORDER BY t.expires_at LIMIT $2
            FOR UPDATE OF t SKIP LOCKED)
        DELETE FROM {tickets} WHERE seq = ANY (ARRAY(SELECT seq FROM picked)) RETURNING seq";
    // One with a revived ticket waits for it.
    const EXPIRE_GROUPS: &str = "
        WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
        picked AS MATERIALIZED (
            SELECT g.name, g.pending FROM {groups} AS g, clock
            WHERE g.expires_at IS NOT NULL AND g.expires_at <= clock.now
            ORDER BY g.expires_at LIMIT $2
            FOR UPDATE OF g SKIP LOCKED),
        later AS (
            UPDATE {groups} AS g
            SET expires_at = least(clock.now::numeric + greatest(g.expire_in, 1000000),
                9223372036854775807)::bigint
            FROM clock
            WHERE g.name = ANY (ARRAY(SELECT name FROM picked WHERE pending > 0)))
        DELETE FROM {groups}
        WHERE name = ANY (ARRAY(SELECT name FROM picked WHERE pending = 0))";
    const NEXT: &str = "
        SELECT least(
            (SELECT expires_at FROM {tickets} WHERE expires_at IS NOT NULL
                ORDER BY expires_at LIMIT 1),
            (SELECT expires_at FROM {groups} WHERE expires_at IS NOT NULL
                ORDER BY expires_at LIMIT 1)) - coalesce($1::bigint, {now})";
    let most = i64::try_from(at_most).unwrap_or(i64::MAX);
    Ok(core.run(Repeat::Harmless, |session| {
        let now = core.given_now();
        let removed = session.query(EXPIRE, &[&now, &most])?.len();
        session.query(EXPIRE_GROUPS, &[&now, &most])?;
        let rows = session.query(NEXT, &[&now])?;
        let next: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        let next_in = next.map(|micros| Duration::from_micros(micros.max(0).cast_unsigned()));
        Ok(Expired { removed, next_in })
    })?)
}
