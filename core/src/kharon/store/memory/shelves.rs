//! The tickets and the indexes over them. Every change of a ticket goes through here, so that the
//! indexes agree with it.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::groups::Groups;
use super::lanes::Lanes;
use super::record::{Record, Spot};
use super::slab::Slab;
use crate::kharon::error::{AddError, StoreError, StoreFault, UpdateError};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::rules;
use crate::kharon::store::{Added, Addition, Change, IfExists, Poll, StoreStats, Update};
use crate::kharon::ticket::{ClaimToken, NewTicket, Status, Ticket};
use crate::kharon::time::Timestamp;

/// What a new ticket meets.
pub(super) enum Found {
    Nothing,
    /// A ticket that stays in its stead.
    Kept(TicketId),
    /// A ticket that it replaces.
    Old(u32),
}

#[derive(Debug)]
pub(super) struct Shelves {
    records: Slab<Record>,
    /// Places by id, each with a part of the id's hash, so that growing reads no record.
    by_id: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
    pub(super) lanes: Lanes,
    expiring: BTreeSet<(Timestamp, u32)>,
    by_key: HashMap<Label, u32>,
    pub(super) groups: Groups,
    added: u64,
    claims: u64,
    pub(super) stats: StoreStats,
    /// How many tickets became ready, or first in line, since the bells were rung.
    pub(super) news: usize,
}

impl Shelves {
    pub(super) fn new() -> Self {
        Self {
            records: Slab::new(),
            by_id: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            lanes: Lanes::default(),
            expiring: BTreeSet::new(),
            by_key: HashMap::new(),
            groups: Groups::default(),
            added: 0,
            claims: 0,
            stats: StoreStats::default(),
            news: 0,
        }
    }

    /// The hash of an id: a part of it is kept, and the whole made of that.
    fn hash(&self, id: &TicketId) -> (u64, u32) {
        let whole = self.hasher.hash_one(id);
        #[expect(clippy::cast_possible_truncation, reason = "a part is wanted")]
        let part = (whole ^ whole >> 32) as u32;
        (spread(part), part)
    }

    pub(super) fn find(&self, id: &TicketId) -> Option<u32> {
        let (hash, part) = self.hash(id);
        let same = |(other, slot): &(u32, u32)| {
            *other == part && self.records.get(*slot).is_some_and(|record| record.id == *id)
        };
        self.by_id.find(hash, same).map(|(_, slot)| *slot)
    }

    pub(super) fn ticket(&self, slot: u32) -> Option<Ticket> {
        let record = self.records.get(slot)?;
        let (kind, tube) = self.lanes.names(record.lane);
        Some(record.ticket(kind, tube))
    }

    /// Places from here on hold no tickets.
    pub(super) const fn end(&self) -> u32 {
        self.records.end()
    }

    pub(super) fn add(&mut self, addition: Addition, now: Timestamp) -> Result<Added, AddError> {
        let Addition { ticket, if_exists } = addition;
        let old = match self.check(&ticket, if_exists)? {
            Found::Nothing => None,
            Found::Kept(id) => return Ok(Added::Kept(id)),
            Found::Old(old) => Some(old),
        };
        if let Some(group) = &ticket.group {
            self.groups.join(group)?;
        }
        if let Some(old) = old {
            self.remove(old, Some((Status::Pending, Status::Cancelled)), now);
        }
        self.insert(rules::admit(ticket, now), now)?;
        Ok(if old.is_some() { Added::Replaced } else { Added::New })
    }

    /// Whether a ticket can be added, and what it meets.
    pub(super) fn check(&self, ticket: &NewTicket, if_exists: IfExists) -> Result<Found, AddError> {
        ticket.check()?;
        let old = self.find(&ticket.id);
        match (old, if_exists) {
            (Some(_), IfExists::Refuse) => {
                return Err(AddError::Exists { id: ticket.id.clone() });
            }
            (Some(_), IfExists::Keep) => return Ok(Found::Kept(ticket.id.clone())),
            _ => {}
        }
        if let Some(by) = self.key_holder(ticket.unique_key.as_ref(), old) {
            return match if_exists {
                IfExists::Keep => Ok(Found::Kept(by)),
                _ => Err(AddError::KeyTaken { by }),
            };
        }
        if let Some(group) = &ticket.group {
            match self.groups.get(group) {
                None => return Err(AddError::NoGroup),
                Some(group) if group.closed => return Err(AddError::GroupClosed),
                Some(_) => {}
            }
        }
        Ok(old.map_or(Found::Nothing, Found::Old))
    }

    /// Who has a unique key, other than the ticket in this place.
    fn key_holder(&self, key: Option<&Label>, but: Option<u32>) -> Option<TicketId> {
        let holder = self.by_key.get(key?).filter(|holder| Some(**holder) != but)?;
        self.records.get(*holder).map(|record| record.id.clone())
    }

    /// Adds a ticket whose id and key are free, and which its group counts already.
    pub(super) fn insert(&mut self, ticket: Ticket, now: Timestamp) -> Result<(), StoreError> {
        let lane = self.lanes.enter(&ticket.tube, &ticket.kind);
        let (hash, part) = self.hash(&ticket.id);
        let key = ticket.unique_key.clone();
        self.added += 1;
        let Some(slot) = self.records.insert(Record::new(ticket, lane, self.added)) else {
            self.lanes.leave(lane);
            return Err(StoreError::new(StoreFault::Full, "no more tickets can be numbered"));
        };
        self.by_id.insert_unique(hash, (part, slot), |(part, _)| spread(*part));
        if let Some(key) = key {
            self.by_key.insert(key, slot);
        }
        self.stats.pending += 1;
        self.enqueue(slot, now);
        Ok(())
    }

    /// Removes a ticket. A pending one moves as is said.
    fn remove(&mut self, slot: u32, moved: Option<(Status, Status)>, now: Timestamp) {
        self.dequeue(slot);
        let Some(record) = self.records.get(slot) else { return };
        let (hash, _) = self.hash(&record.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |(_, at)| *at == slot) {
            entry.remove();
        }
        let Some(record) = self.records.remove(slot) else { return };
        if let Some(at) = record.expires_at() {
            self.expiring.remove(&(at, slot));
        }
        self.release_key(record.unique_key(), slot);
        *count_of(&mut self.stats, record.status) -= 1;
        self.lanes.leave(record.lane);
        if record.status == Status::Pending
            && let (Some(group), Some(moved)) = (record.group(), moved)
        {
            self.count(group, moved, now);
        }
    }

    fn release_key(&mut self, key: Option<&Label>, slot: u32) {
        if let Some(key) = key
            && self.by_key.get(key) == Some(&slot)
        {
            self.by_key.remove(key);
        }
    }

    /// Lets a group count, and frees its finalizers if that finishes it.
    fn count(&mut self, group: &Label, moved: (Status, Status), now: Timestamp) {
        let finalizers = self.groups.count(group, moved, now);
        self.free(&finalizers, now);
    }

    pub(super) fn free(&mut self, finalizers: &[TicketId], now: Timestamp) {
        for id in finalizers {
            if let Some(slot) = self.find(id)
                && let Some(mut ticket) = self.ticket(slot)
                && rules::free_finalizer(&mut ticket, now)
            {
                self.write(slot, ticket, now);
            }
        }
    }

    pub(super) fn update(&mut self, update: &Update, now: Timestamp) -> Result<(), UpdateError> {
        let slot = self.find(&update.id).ok_or(UpdateError::NotFound)?;
        let mut ticket = self.ticket(slot).ok_or(UpdateError::NotFound)?;
        let outcome = rules::apply(&mut ticket, update.token, &update.change, now)?;
        if matches!(update.change, Change::Revive { .. })
            && let Some(by) = self.key_holder(ticket.unique_key.as_ref(), Some(slot))
        {
            return Err(UpdateError::KeyTaken { by });
        }
        if outcome.removed {
            self.remove(slot, outcome.moved, now);
            return Ok(());
        }
        let group = outcome.moved.and(ticket.group.clone());
        self.write(slot, ticket, now);
        if let (Some(group), Some(moved)) = (group, outcome.moved) {
            self.count(&group, moved, now);
        }
        Ok(())
    }

    /// Gives a ticket its new state, and its place in every index.
    fn write(&mut self, slot: u32, ticket: Ticket, now: Timestamp) {
        self.dequeue(slot);
        let Some(record) = self.records.get_mut(slot) else { return };
        if let Some(at) = record.expires_at() {
            self.expiring.remove(&(at, slot));
        }
        if let Some(at) = ticket.expires_at {
            self.expiring.insert((at, slot));
        }
        *count_of(&mut self.stats, record.status) -= 1;
        *count_of(&mut self.stats, ticket.status) += 1;
        let key = ticket.unique_key.clone();
        let pending = ticket.status == Status::Pending;
        record.write(ticket);
        match key {
            Some(key) if pending => _ = self.by_key.insert(key, slot),
            key => self.release_key(key.as_ref(), slot),
        }
        if pending {
            self.enqueue(slot, now);
        }
    }

    /// Puts a pending ticket where it belongs.
    fn enqueue(&mut self, slot: u32, now: Timestamp) {
        let Some(record) = self.records.get_mut(slot) else { return };
        let at = record.ready_at();
        if at <= now {
            record.spot = Spot::Ready;
            self.lanes.put_ready(record.lane, record.key(slot));
            self.news += 1;
        } else {
            record.spot = Spot::Waiting;
            self.stats.claimed += u64::from(record.is_leased());
            let first = self.lanes.put_waiting(record.lane, at, slot);
            self.news += usize::from(first && at < Timestamp::NEVER);
        }
    }

    fn dequeue(&mut self, slot: u32) {
        let Some(record) = self.records.get_mut(slot) else { return };
        match record.spot {
            Spot::Nowhere => {}
            Spot::Ready => self.lanes.take_ready(record.lane, &record.key(slot)),
            Spot::Waiting => {
                self.stats.claimed -= u64::from(record.is_leased());
                self.lanes.take_waiting(record.lane, record.ready_at(), slot);
            }
        }
        record.spot = Spot::Nowhere;
    }

    /// Makes up to so many tickets ready whose waiting is over. Whether that were all.
    pub(super) fn promote(&mut self, poll: &Poll, at_most: usize, now: Timestamp) -> bool {
        for _ in 0..at_most {
            let Some(slot) = self.lanes.take_due(poll, now) else { return true };
            if let Some(record) = self.records.get_mut(slot) {
                self.stats.claimed -= u64::from(record.is_leased());
                record.spot = Spot::Ready;
                self.lanes.put_ready(record.lane, record.key(slot));
            }
        }
        false
    }

    /// Claims ready tickets, best first.
    pub(super) fn claim(&mut self, poll: &Poll, now: Timestamp) -> Vec<Ticket> {
        let mut heads = self.lanes.heads(poll);
        let mut claimed = Vec::new();
        while claimed.len() < poll.at_most
            && let Some(key) = self.lanes.take_best(&mut heads)
        {
            let Some(record) = self.records.get_mut(key.slot) else { continue };
            let (kind, tube) = self.lanes.names(record.lane);
            let mut ticket = record.ticket(kind, tube);
            self.claims += 1;
            rules::claim(&mut ticket, ClaimToken(self.claims), poll.lease, now);
            record.claim(&ticket);
            record.spot = Spot::Waiting;
            self.stats.claimed += 1;
            self.lanes.put_waiting(record.lane, record.ready_at(), key.slot);
            claimed.push(ticket);
        }
        claimed
    }

    /// Removes one ticket that has expired.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        match self.expiring.first() {
            Some((at, slot)) if *at <= now => {
                let slot = *slot;
                self.remove(slot, None, now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// Removes a finalizer that still waits for its group.
    pub(super) fn drop_finalizer(&mut self, id: &TicketId, now: Timestamp) {
        if let Some(slot) = self.find(id)
            && let Some(ticket) = self.ticket(slot)
            && rules::is_held(&ticket)
        {
            self.remove(slot, Some((Status::Pending, Status::Cancelled)), now);
        }
    }
}

/// A part of a hash in both halves of a whole: a table looks at the lowest bits and the highest.
const fn spread(part: u32) -> u64 {
    (part as u64) << 32 | part as u64
}

fn count_of(counts: &mut StoreStats, status: Status) -> &mut u64 {
    match status {
        Status::Pending => &mut counts.pending,
        Status::Done => &mut counts.done,
        Status::Failed => &mut counts.failed,
        Status::Cancelled => &mut counts.cancelled,
    }
}
