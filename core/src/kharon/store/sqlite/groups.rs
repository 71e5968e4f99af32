//! Groups in the file.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::rows::damaged;
use super::tx::Tx;
use crate::kharon::error::{GroupError, StoreError};
use crate::kharon::group::{Group, NewGroup, Progress};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::store::{Addition, IfExists};
use crate::kharon::ticket::Status;
use crate::kharon::time::Timestamp;

/// The group of a name.
pub(super) fn find(connection: &Connection, name: &Label) -> Result<Option<Group>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT closed, pending, done, failed, cancelled, finalizers, expire_in, finished_at \
         FROM groups WHERE name = ?1",
    )?;
    let mut rows = find.query([name.as_str()])?;
    rows.next()?.map(|row| read(row, name)).transpose()
}

fn read(row: &Row<'_>, name: &Label) -> Result<Group, StoreError> {
    let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let finalizers: String = row.get(5)?;
    let finalizers: Vec<String> = serde_json::from_str(&finalizers).map_err(|_| damaged())?;
    let finalizers = finalizers.into_iter().map(TicketId::new).collect::<Result<_, _>>();
    let finished_at: Option<i64> = row.get(7)?;
    let mut group = Group::bare(name.clone());
    group.closed = row.get(0)?;
    group.progress = Progress {
        pending: number(1)?,
        done: number(2)?,
        failed: number(3)?,
        cancelled: number(4)?,
    };
    group.finalizers = finalizers.map_err(|_| damaged())?;
    group.expire_in = Duration::from_micros(number(6)?);
    group.finished_at = finished_at.map(Timestamp::from_database);
    Ok(group)
}

impl Tx<'_> {
    pub(super) fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        find(self.connection, name)
    }

    pub(super) fn save_group(&self, group: &Group) -> Result<(), StoreError> {
        let finalizers: Vec<_> = group.finalizers.iter().map(TicketId::as_str).collect();
        let progress = &group.progress;
        let mut save = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO groups (name, closed, pending, done, failed, cancelled, \
             finalizers, expire_in, finished_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        save.execute(params![
            group.name.as_str(),
            group.closed,
            progress.pending.cast_signed(),
            progress.done.cast_signed(),
            progress.failed.cast_signed(),
            progress.cancelled.cast_signed(),
            serde_json::to_string(&finalizers).map_err(|_| damaged())?,
            (Timestamp::EPOCH + group.expire_in).to_database().min(i64::MAX / 2),
            group.finished_at.map(Timestamp::to_database),
        ])?;
        Ok(())
    }

    /// Lets a group count, and frees its finalizers if that finishes it.
    pub(super) fn count(
        &mut self,
        name: &Label,
        moved: (Status, Status),
    ) -> Result<(), StoreError> {
        let Some(mut group) = self.group(name)? else { return Ok(()) };
        let finished = rules::count(&mut group, moved, self.now);
        self.save_group(&group)?;
        if finished { self.free(&group.finalizers) } else { Ok(()) }
    }

    /// Makes the finalizers of a group ready.
    fn free(&mut self, finalizers: &[TicketId]) -> Result<(), StoreError> {
        for id in finalizers {
            if let Some(mut kept) = self.find(id)? {
                let before = kept.clone();
                if rules::free_finalizer(&mut kept.ticket, self.now) {
                    self.write(&before, &kept.ticket)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn open_group(&mut self, new: NewGroup) -> Result<(), GroupError> {
        new.check()?;
        if self.group(&new.name)?.is_some() {
            return Err(GroupError::Exists);
        }
        for ticket in &new.finalizers {
            self.check(ticket, IfExists::Refuse).map_err(GroupError::Finalizer)?;
        }
        let mut group = Group::bare(new.name.clone());
        group.expire_in = new.expire_in;
        group.finalizers = new.finalizers.iter().map(|ticket| ticket.id.clone()).collect();
        self.save_group(&group)?;
        for ticket in new.into_finalizers() {
            let addition = Addition { ticket, if_exists: IfExists::Refuse };
            self.add(addition).map_err(GroupError::Finalizer)?;
        }
        Ok(())
    }

    pub(super) fn close_group(&mut self, name: &Label) -> Result<(), GroupError> {
        let mut group = self.group(name)?.ok_or(GroupError::NotFound)?;
        let finished = rules::close_group(&mut group, self.now);
        self.save_group(&group)?;
        if finished {
            self.free(&group.finalizers)?;
        }
        Ok(())
    }

    pub(super) fn delete_group(&mut self, name: &Label) -> Result<(), GroupError> {
        let group = self.group(name)?.ok_or(GroupError::NotFound)?;
        let pending = group.progress.pending;
        if pending > 0 {
            return Err(GroupError::Pending { pending });
        }
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM groups WHERE name = ?1")
            .map_err(StoreError::from)?;
        delete.execute([name.as_str()]).map_err(StoreError::from)?;
        for id in &group.finalizers {
            if let Some(kept) = self.find(id)?
                && rules::is_held(&kept.ticket)
            {
                self.remove(&kept)?;
                if let Some(outer) = &kept.ticket.group {
                    self.count(outer, (Status::Pending, Status::Cancelled))?;
                }
            }
        }
        Ok(())
    }
}
