//! Settling claimed tickets: by far the most common change, and done by one statement.

use rusqlite::params;

use super::rows::settled;
use super::tx::{Tx, held};
use crate::kharon::error::StoreError;
use crate::kharon::store::{Change, Update};
use crate::kharon::ticket::Status;

impl Tx<'_> {
    /// Settles a ticket that was claimed by this process, neither repeats nor is of a group, and has
    /// no unique key. Whether it was such a ticket, and the claim was good; it does then what
    /// [`rules::apply`](crate::kharon::rules::apply) would.
    pub(super) fn finish_plain(&mut self, update: &Update) -> Result<bool, StoreError> {
        let (Some(token), Change::Finish { status, keep, expire_in, reason: None, payload: None }) =
            (update.token, &update.change)
        else {
            return Ok(false);
        };
        let Some(claimed) = self.memo.find(token) else { return Ok(false) };
        if !status.is_final() || claimed.until <= self.now {
            return Ok(false);
        }
        let (id, until) = (update.id.as_str(), claimed.until.to_database());
        let (number, now) = (token.0.cast_signed(), self.now.to_database());
        let state = settled(*status);
        let changed = match (keep, expire_in) {
            (true, None) => held(
                &mut self.held.settle,
                self.connection,
                "UPDATE tickets SET state = ?5, mtime = ?6 \
                 WHERE seq = ?1 AND token = ?2 AND until = ?3 AND state = 3 AND id = ?4",
            )?
            .execute(params![claimed.seq, number, until, id, state, now])?,
            (true, Some(after)) => {
                let expires_at = (self.now + *after).to_database();
                held(
                    &mut self.held.settle_for_a_while,
                    self.connection,
                    "UPDATE tickets SET state = ?5, mtime = ?6, expires_at = ?7 \
                     WHERE seq = ?1 AND token = ?2 AND until = ?3 AND state = 3 AND id = ?4",
                )?
                .execute(params![
                    claimed.seq,
                    number,
                    until,
                    id,
                    state,
                    now,
                    expires_at
                ])?
            }
            (false, _) => held(
                &mut self.held.remove,
                self.connection,
                "DELETE FROM tickets \
                 WHERE seq = ?1 AND token = ?2 AND until = ?3 AND state = 3 AND id = ?4",
            )?
            .execute(params![claimed.seq, number, until, id])?,
        };
        if changed == 0 {
            return Ok(false);
        }
        self.memo.forget(token);
        self.ended.push(claimed.lane, claimed.until);
        self.counts.add(claimed.lane, Status::Pending, -1);
        if *keep {
            self.counts.add(claimed.lane, *status, 1);
        }
        Ok(true)
    }
}
