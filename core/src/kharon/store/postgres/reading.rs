//! Finding, listing and counting tickets, and removing those that have expired.

use std::time::Duration;

use super::pool::Repeat;
use super::rows;
use super::{Core, read_all};
use crate::kharon::error::StoreError;
use crate::kharon::name::{Label, TicketId};
use crate::kharon::store::{Cursor, Expired, Filter, Listing, Page, StoreStats};
use crate::kharon::ticket::{Status, Ticket};

/// A store folds tallies whenever it has made so many; then more than that, so that those go too which
/// a store left behind that is no more.
pub(super) const FOLDED: u32 = 500;

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

/// Adds up what was counted when it came and went: rows by the hundred, however many tickets there are.
pub(super) fn stats(core: &Core) -> Result<StoreStats, StoreError> {
    const STATS: &str = "
        SELECT coalesce(sum(pending), 0)::bigint, coalesce(sum(done), 0)::bigint,
            coalesce(sum(failed), 0)::bigint, coalesce(sum(cancelled), 0)::bigint,
            (SELECT coalesce(sum(open), 0)::bigint FROM {leases}
                WHERE until > coalesce($1::bigint, {now}))
        FROM {tallies}";
    Ok(core.run(Repeat::Harmless, |session| {
        let rows = session.query(STATS, &[&core.given_now()])?;
        let row = rows.first().ok_or_else(|| super::error::corrupt("no counts"))?;
        let count = |at| row.try_get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
        Ok(StoreStats {
            pending: count(0)?,
            done: count(1)?,
            failed: count(2)?,
            cancelled: count(3)?,
            claimed: count(4)?,
        })
    })?)
}

/// Makes one tally of many: in one statement, so none is lost or counted twice.
pub(super) fn fold(core: &Core) -> Result<(), StoreError> {
    const FOLD: &str = "
        WITH durability AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
        picked AS MATERIALIZED (
            SELECT t.ctid AS row FROM durability, {tallies} AS t
            LIMIT $1 FOR UPDATE OF t SKIP LOCKED),
        gone AS (
            DELETE FROM {tallies} WHERE ctid = ANY (ARRAY(SELECT row FROM picked))
            RETURNING pending, done, failed, cancelled)
        INSERT INTO {tallies} (pending, done, failed, cancelled)
        SELECT sum(pending), sum(done), sum(failed), sum(cancelled) FROM gone
        HAVING count(*) > 0";
    let most = i64::from(FOLDED) * 4;
    core.run(Repeat::Harmless, |session| Ok(session.query(FOLD, &[&most])?))?;
    Ok(())
}

/// Removes expired tickets, and then expired groups.
pub(super) fn expire(core: &Core, at_most: usize) -> Result<Expired, StoreError> {
    const EXPIRE: &str = concat!(
        "
        WITH clock AS MATERIALIZED (SELECT coalesce($1::bigint, {now}) AS now),
        picked AS MATERIALIZED (
            SELECT t.seq FROM {tickets} AS t, clock
            WHERE t.expires_at IS NOT NULL AND t.expires_at <= clock.now
            ORDER BY t.expires_at LIMIT $2
            FOR UPDATE OF t SKIP LOCKED),
        gone AS (
            DELETE FROM {tickets} WHERE seq = ANY (ARRAY(SELECT seq FROM picked)) RETURNING status),
        tallied AS (",
        rows::tally!("-", "gone"),
        ")
        SELECT 1 FROM gone"
    );
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
