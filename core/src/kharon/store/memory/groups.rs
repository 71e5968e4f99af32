//! The groups, and when they are forgotten.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::kharon::error::{AddError, GroupError};
use crate::kharon::group::{Group, NewGroup};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::ticket::Status;
use crate::kharon::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Label, Group>,
    /// The finished ones, by when they may be forgotten.
    expiring: BTreeSet<(Timestamp, Label)>,
}

impl Groups {
    pub(super) fn get(&self, name: &Label) -> Option<&Group> {
        self.groups.get(name)
    }

    pub(super) fn open(&mut self, new: &NewGroup) {
        let mut group = Group::bare(new.name.clone());
        group.expire_in = new.expire_in;
        group.finalizers = new.finalizers.iter().map(|ticket| ticket.id.clone()).collect();
        self.groups.insert(new.name.clone(), group);
    }

    pub(super) fn join(&mut self, name: &Label) -> Result<(), AddError> {
        rules::join_group(self.groups.get_mut(name).ok_or(AddError::NoGroup)?)
    }

    /// Counts, and returns the finalizers to free.
    pub(super) fn count(
        &mut self,
        name: &Label,
        moved: (Status, Status),
        now: Timestamp,
    ) -> Vec<TicketId> {
        let Some(group) = self.groups.get_mut(name) else { return Vec::new() };
        if !rules::count(group, moved, now) {
            return Vec::new();
        }
        self.expiring.insert((now + group.expire_in, name.clone()));
        group.finalizers.clone()
    }

    /// Closes a group, and returns the finalizers to free.
    pub(super) fn close(
        &mut self,
        name: &Label,
        now: Timestamp,
    ) -> Result<Vec<TicketId>, GroupError> {
        let group = self.groups.get_mut(name).ok_or(GroupError::NotFound)?;
        if !rules::close_group(group, now) {
            return Ok(Vec::new());
        }
        self.expiring.insert((now + group.expire_in, name.clone()));
        Ok(group.finalizers.clone())
    }

    /// Forgets a group, and returns its finalizers.
    pub(super) fn delete(&mut self, name: &Label) -> Result<Vec<TicketId>, GroupError> {
        let group = self.groups.get(name).ok_or(GroupError::NotFound)?;
        let pending = group.progress.pending;
        if pending > 0 {
            return Err(GroupError::Pending { pending });
        }
        if let Some(at) = group.finished_at {
            self.expiring.remove(&(at + group.expire_in, name.clone()));
        }
        let group = self.groups.remove(name);
        Ok(group.map(|group| group.finalizers).unwrap_or_default())
    }

    /// Forgets one group whose time has come. One with a revived ticket waits for it.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        match self.expiring.first() {
            Some((at, _)) if *at <= now => {}
            _ => return false,
        }
        if let Some((_, name)) = self.expiring.pop_first() {
            match self.groups.get(&name) {
                Some(group) if group.progress.pending > 0 => {
                    let later = now + group.expire_in.max(RECHECK);
                    self.expiring.insert((later, name));
                }
                _ => _ = self.groups.remove(&name),
            }
        }
        true
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiring.first().map(|(at, _)| *at)
    }
}

/// How soon, at the earliest, it is looked again whether a group has lost its last ticket.
const RECHECK: std::time::Duration = std::time::Duration::from_secs(1);
