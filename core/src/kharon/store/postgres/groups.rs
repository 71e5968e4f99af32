//! Groups: how far their tickets have come, and the finalizers that wait for them.

use std::collections::HashMap;

use postgres::Row;

use super::pool::{Fault, Repeat, Session, Trouble};
use super::rows;
use super::{Core, add, read_all};
use crate::kharon::error::{AddError, GroupError, StoreError};
use crate::kharon::group::{Group, NewGroup, Progress};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::store::{Addition, IfExists};
use crate::kharon::ticket::Status;
use crate::kharon::time::Timestamp;

const READ: &str = "
    SELECT name, closed, pending, done, failed, cancelled, finalizers, expire_in, finished_at
    FROM {groups} WHERE name = ANY($1) ORDER BY name";

const LOCK: &str = "
    SELECT name, closed, pending, done, failed, cancelled, finalizers, expire_in, finished_at
    FROM {groups} WHERE name = ANY($1) ORDER BY name FOR UPDATE";

const SAVE: &str = "
    UPDATE {groups} AS g SET closed = new.closed, pending = new.pending, done = new.done,
        failed = new.failed, cancelled = new.cancelled, finished_at = new.finished_at,
        expires_at = CASE WHEN new.finished_at IS NOT NULL THEN coalesce(g.expires_at,
            least(new.finished_at::numeric + g.expire_in, 9223372036854775807)::bigint) END
    FROM unnest($1::text[], $2::boolean[], $3::bigint[], $4::bigint[], $5::bigint[],
        $6::bigint[], $7::bigint[])
        AS new (name, closed, pending, done, failed, cancelled, finished_at)
    WHERE g.name = new.name";

const FINALIZERS: &str = "
    SELECT {columns} FROM {tickets} WHERE id = ANY($1) ORDER BY id FOR UPDATE";

/// The groups that a transaction may change, all locked.
#[derive(Default)]
pub(super) struct Groups {
    locked: HashMap<Label, Group>,
    /// The finalizers of groups that finished.
    freed: Vec<TicketId>,
}

impl Groups {
    pub(super) fn get(&self, name: &Label) -> Option<&Group> {
        self.locked.get(name)
    }

    /// Takes a new pending ticket into a group, if there is one.
    pub(super) fn join(&mut self, name: &Label) -> Result<(), AddError> {
        match self.locked.get_mut(name) {
            Some(group) => rules::join_group(group),
            None => Err(AddError::NoGroup),
        }
    }

    /// Counts a ticket that moved, in its group if there still is one.
    pub(super) fn count(&mut self, name: &Label, moved: (Status, Status), now: Timestamp) {
        if let Some(group) = self.locked.get_mut(name)
            && rules::count(group, moved, now)
        {
            self.freed.extend(group.finalizers.iter().cloned());
        }
    }

    /// Whether a group finished, so that its finalizers are ready.
    pub(super) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }
}

/// Locks the groups of these names, as far as there are any.
pub(super) fn lock<'a>(
    session: &mut Session,
    names: impl Iterator<Item = &'a Label>,
) -> Result<Groups, Trouble> {
    let mut names: Vec<&str> = names.map(Label::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut groups = Groups::default();
    if !names.is_empty() {
        for row in session.query(LOCK, &[&names])? {
            let group = read(&row)?;
            groups.locked.insert(group.name.clone(), group);
        }
    }
    Ok(groups)
}

/// Writes the groups back, and frees the finalizers of those that finished.
pub(super) fn save(session: &mut Session, groups: &Groups, now: Timestamp) -> Result<(), Trouble> {
    if groups.locked.is_empty() {
        return Ok(());
    }
    let locked: Vec<&Group> = groups.locked.values().collect();
    let count = |of: fn(&Progress) -> u64| -> Vec<i64> {
        locked.iter().map(|group| of(&group.progress).cast_signed()).collect()
    };
    let finished: Vec<Option<i64>> =
        locked.iter().map(|group| group.finished_at.map(Timestamp::to_database)).collect();
    session.query(
        SAVE,
        &[
            &locked.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
            &locked.iter().map(|group| group.closed).collect::<Vec<_>>(),
            &count(|progress| progress.pending),
            &count(|progress| progress.done),
            &count(|progress| progress.failed),
            &count(|progress| progress.cancelled),
            &finished,
        ],
    )?;
    if groups.freed.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = groups.freed.iter().map(TicketId::as_str).collect();
    let mut finalizers = read_all(&session.query(FINALIZERS, &[&ids])?)?;
    finalizers.retain_mut(|kept| rules::free_finalizer(&mut kept.ticket, now));
    rows::update(session, finalizers.iter(), now)
}

/// Opens a group with its finalizers, or changes nothing.
pub(super) fn open(core: &Core, group: &NewGroup) -> Result<(), GroupError> {
    const OPEN: &str = "
        INSERT INTO {groups} (name, closed, pending, done, failed, cancelled, finalizers, expire_in)
        VALUES ($1, false, 0, 0, 0, 0, $2, $3)
        ON CONFLICT (name) DO NOTHING RETURNING name";
    group.check()?;
    let finalizers = group.clone().into_finalizers();
    let additions: Vec<Addition> = finalizers
        .into_iter()
        .map(|ticket| Addition { ticket, if_exists: IfExists::Refuse })
        .collect();
    let ids: Vec<&str> = group.finalizers.iter().map(|ticket| ticket.id.as_str()).collect();
    let expire_in = (Timestamp::EPOCH + group.expire_in).to_database();
    let mut refused = None;
    let opened = core.run(Repeat::OnlyUndone, |session| {
        session.atomically(|session| {
            let name = group.name.as_str();
            if session.query(OPEN, &[&name, &ids, &expire_in])?.is_empty() {
                refused = Some(GroupError::Exists);
                return Err(Trouble::Undo);
            }
            for added in add::careful(core, session, &additions)? {
                if let Err(error) = added {
                    refused = Some(GroupError::Finalizer(error));
                    return Err(Trouble::Undo);
                }
            }
            Ok(())
        })
    });
    match (opened, refused) {
        (Err(Fault::Undone), Some(refused)) => Err(refused),
        (opened, _) => opened.map_err(store),
    }
}

/// Closes a group. Whether it is finished by that.
pub(super) fn close(core: &Core, name: &Label) -> Result<bool, GroupError> {
    let closed = core.run(Repeat::Harmless, |session| {
        session.atomically(|session| {
            let mut groups = lock(session, std::iter::once(name))?;
            let now = core.now(session)?;
            let Some(group) = groups.locked.get_mut(name) else { return Ok(None) };
            let finished = rules::close_group(group, now);
            if finished {
                groups.freed = group.finalizers.clone();
            }
            save(session, &groups, now)?;
            Ok(Some(finished))
        })
    });
    closed.map_err(store)?.ok_or(GroupError::NotFound)
}

pub(super) fn get(core: &Core, name: &Label) -> Result<Option<Group>, StoreError> {
    Ok(core.run(Repeat::Harmless, |session| {
        let rows = session.query(READ, &[&[name.as_str()].as_slice()])?;
        Ok(rows.first().map(read).transpose()?)
    })?)
}

/// Forgets a group, and those of its finalizers that still wait for it.
pub(super) fn delete(core: &Core, name: &Label) -> Result<(), GroupError> {
    let mut refused = None;
    let deleted = core.run(Repeat::OnlyUndone, |session| {
        session.atomically(|session| {
            let groups = lock(session, std::iter::once(name))?;
            let (pending, finalizers) = match groups.get(name) {
                None => {
                    refused = Some(GroupError::NotFound);
                    return Err(Trouble::Undo);
                }
                Some(group) => (group.progress.pending, group.finalizers.as_slice()),
            };
            if pending > 0 {
                refused = Some(GroupError::Pending { pending });
                return Err(Trouble::Undo);
            }
            drop_finalizers(core, session, finalizers)?;
            session.query("DELETE FROM {groups} WHERE name = $1", &[&name.as_str()])?;
            Ok(())
        })
    });
    match (deleted, refused) {
        (Err(Fault::Undone), Some(refused)) => Err(refused),
        (deleted, _) => deleted.map_err(store),
    }
}

/// Removes finalizers that still wait; groups to which they belong themselves count them.
fn drop_finalizers(
    core: &Core,
    session: &mut Session,
    finalizers: &[TicketId],
) -> Result<(), Trouble> {
    let ids: Vec<&str> = finalizers.iter().map(TicketId::as_str).collect();
    let mut waiting = read_all(&session.query(FINALIZERS, &[&ids])?)?;
    waiting.retain(|kept| rules::is_held(&kept.ticket));
    let mut groups = lock(session, waiting.iter().filter_map(|kept| kept.ticket.group.as_ref()))?;
    let now = core.now(session)?;
    for kept in &waiting {
        if let Some(group) = &kept.ticket.group {
            groups.count(group, (Status::Pending, Status::Cancelled), now);
        }
    }
    let gone: Vec<i64> = waiting.iter().map(|kept| kept.seq).collect();
    rows::remove(session, &gone)?;
    save(session, &groups, now)
}

fn store(fault: Fault) -> GroupError {
    GroupError::Store(fault.into())
}

fn read(row: &Row) -> Result<Group, StoreError> {
    parse(row).map_err(|problem| super::error::corrupt(&problem))
}

fn parse(row: &Row) -> Result<Group, String> {
    let number = |at| rows::get::<i64>(row, at).map(|count| u64::try_from(count).unwrap_or(0));
    let mut group = Group::bare(rows::label(rows::get(row, 0)?)?);
    group.closed = rows::get(row, 1)?;
    group.progress = Progress {
        pending: number(2)?,
        done: number(3)?,
        failed: number(4)?,
        cancelled: number(5)?,
    };
    let finalizers: Vec<&str> = rows::get(row, 6)?;
    let finalizers = finalizers.into_iter().map(TicketId::new).collect::<Result<_, _>>();
    group.finalizers = finalizers.map_err(|error| error.to_string())?;
    group.expire_in = std::time::Duration::from_micros(number(7)?);
    group.finished_at = rows::get::<Option<i64>>(row, 8)?.map(Timestamp::from_database);
    Ok(group)
}
