//! A store of one's own, outside the library: the pure rules say what happens to a ticket, and the
//! suite of the library says whether the whole is right. This one goes through all its tickets for
//! everything, which is no way to treat many.
//!
//! Run it, and it is held to the suite: `cargo run -p hersh --example tickets_own_store`

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hersh::kharon::conformance::{Subject, checks};
use hersh::kharon::store::{
    Added, Addition, Cursor, Expired, Filter, IfExists, Listing, Page, Poll, Polled, StoreStats,
    Update,
};
use hersh::kharon::{
    AddError, Bell, Bells, ClaimToken, Clock, Group, GroupError, Label, NewGroup, NewTicket,
    Status, Store, StoreError, Ticket, TicketId, Timestamp, UpdateError, VirtualClock, rules,
};

/// Tickets in the order in which they were added, each with its number.
#[derive(Default)]
struct Board {
    tickets: Vec<(u64, Ticket)>,
    groups: BTreeMap<Label, Group>,
    numbers: u64,
    tokens: u64,
}

/// The store: a board that one thread at a time may use.
struct PlainStore<C> {
    board: Mutex<Board>,
    clock: C,
    bells: Bells,
}

impl<C: Clock> PlainStore<C> {
    fn new(clock: C) -> Self {
        Self { board: Mutex::default(), clock, bells: Bells::new() }
    }

    fn lock(&self) -> (MutexGuard<'_, Board>, Timestamp) {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that times are in the order of changes.
        (board, self.clock.now())
    }

    /// Makes a change, and tells whoever waits. Ringing for nothing does no harm.
    fn change<T>(&self, change: impl FnOnce(&mut Board, Timestamp) -> T) -> T {
        let (mut board, now) = self.lock();
        let result = change(&mut board, now);
        drop(board);
        self.bells.ring(usize::MAX);
        result
    }
}

impl Board {
    fn find(&self, id: &TicketId) -> Option<usize> {
        self.tickets.iter().position(|(_, ticket)| ticket.id == *id)
    }

    /// Who has a unique key, other than the ticket of an id.
    fn key_holder(&self, key: Option<&Label>, but: &TicketId) -> Option<TicketId> {
        let mut pending = self.tickets.iter().filter(|(_, one)| one.status == Status::Pending);
        let holds =
            |one: &Ticket| key.is_some() && one.unique_key.as_ref() == key && one.id != *but;
        pending.find(|(_, one)| holds(one)).map(|(_, one)| one.id.clone())
    }

    /// Whether a ticket can be added; the one that stays in its stead, if there is one.
    fn check(&self, new: &NewTicket, if_exists: IfExists) -> Result<Option<TicketId>, AddError> {
        new.check()?;
        let there = self.find(&new.id).is_some();
        match if_exists {
            IfExists::Refuse if there => return Err(AddError::Exists { id: new.id.clone() }),
            IfExists::Keep if there => return Ok(Some(new.id.clone())),
            _ => {}
        }
        if let Some(by) = self.key_holder(new.unique_key.as_ref(), &new.id) {
            return match if_exists {
                IfExists::Keep => Ok(Some(by)),
                _ => Err(AddError::KeyTaken { by }),
            };
        }
        match new.group.as_ref().map(|name| self.groups.get(name)) {
            Some(None) => Err(AddError::NoGroup),
            Some(Some(group)) if group.closed => Err(AddError::GroupClosed),
            _ => Ok(None),
        }
    }

    fn add(&mut self, addition: Addition, now: Timestamp) -> Result<Added, AddError> {
        let Addition { ticket, if_exists } = addition;
        if let Some(kept) = self.check(&ticket, if_exists)? {
            return Ok(Added::Kept(kept));
        }
        if let Some(group) = ticket.group.as_ref().and_then(|name| self.groups.get_mut(name)) {
            rules::join_group(group)?;
        }
        let old = self.find(&ticket.id);
        if let Some(at) = old {
            self.remove(at, now);
        }
        self.numbers += 1;
        self.tickets.push((self.numbers, rules::admit(ticket, now)));
        Ok(if old.is_some() { Added::Replaced } else { Added::New })
    }

    /// Removes a ticket that nobody settled.
    fn remove(&mut self, at: usize, now: Timestamp) {
        let (_, ticket) = self.tickets.remove(at);
        if ticket.status == Status::Pending {
            self.count(ticket.group.as_ref(), Some((Status::Pending, Status::Cancelled)), now);
        }
    }

    /// Lets the group of a ticket count that it moved, and frees the finalizers if that finishes it.
    fn count(&mut self, name: Option<&Label>, moved: Option<(Status, Status)>, now: Timestamp) {
        let group = name.and_then(|name| self.groups.get_mut(name));
        if let (Some(group), Some(moved)) = (group, moved)
            && rules::count(group, moved, now)
        {
            let finalizers = group.finalizers.clone();
            self.free(&finalizers, now);
        }
    }

    fn free(&mut self, finalizers: &[TicketId], now: Timestamp) {
        for id in finalizers {
            if let Some(at) = self.find(id) {
                rules::free_finalizer(&mut self.tickets[at].1, now);
            }
        }
    }

    fn update(&mut self, update: &Update, now: Timestamp) -> Result<(), UpdateError> {
        let at = self.find(&update.id).ok_or(UpdateError::NotFound)?;
        let mut ticket = self.tickets[at].1.clone();
        let outcome = rules::apply(&mut ticket, update.token, &update.change, now)?;
        if ticket.status == Status::Pending
            && let Some(by) = self.key_holder(ticket.unique_key.as_ref(), &ticket.id)
        {
            return Err(UpdateError::KeyTaken { by });
        }
        let group = ticket.group.clone();
        if outcome.removed {
            self.tickets.remove(at);
        } else {
            self.tickets[at].1 = ticket;
        }
        self.count(group.as_ref(), outcome.moved, now);
        Ok(())
    }

    fn poll(&mut self, poll: &Poll, now: Timestamp) -> Polled {
        let mut tickets: Vec<&mut Ticket> =
            self.tickets.iter_mut().map(|(_, ticket)| ticket).collect();
        tickets.retain(|ticket| poll.tubes.contains(&ticket.tube));
        // A sort that keeps the order of those that are equal.
        tickets.sort_by_key(|ticket| (ticket.nice, ticket.runat));
        let mut claimed: Vec<Ticket> = Vec::new();
        for ticket in &mut tickets {
            let same = claimed.iter().filter(|other| other.kind == ticket.kind).count();
            let allowed = claimed.len() < poll.at_most && same < poll.budget(&ticket.kind);
            if allowed && rules::ready_at(ticket).is_some_and(|at| at <= now) {
                self.tokens += 1;
                rules::claim(ticket, ClaimToken(self.tokens), poll.lease, now);
                claimed.push(ticket.clone());
            }
        }
        let times = tickets.iter().filter_map(|ticket| rules::ready_at(ticket));
        let next = times.filter(|at| *at > now && *at < Timestamp::NEVER).min();
        Polled { tickets: claimed, next_in: next.map(|at| at.since(now)) }
    }

    fn expire(&mut self, at_most: usize, now: Timestamp) -> Expired {
        let due = |ticket: &Ticket| ticket.expires_at.filter(|at| *at <= now);
        let mut expired: Vec<(Timestamp, u64)> =
            self.tickets.iter().filter_map(|(number, one)| Some((due(one)?, *number))).collect();
        expired.sort_unstable();
        expired.truncate(at_most);
        self.tickets.retain(|(number, _)| expired.iter().all(|(_, gone)| gone != number));
        let end = |group: &Group| Some(group.finished_at? + group.expire_in);
        let over =
            |group: &Group| group.progress.pending == 0 && end(group).is_some_and(|at| at <= now);
        self.groups.retain(|_, group| !over(group));
        let times = self.tickets.iter().filter_map(|(_, ticket)| ticket.expires_at);
        let next = times.chain(self.groups.values().filter_map(end)).min();
        Expired { removed: expired.len(), next_in: next.map(|at| at.since(now)) }
    }

    fn open_group(&mut self, new: NewGroup, now: Timestamp) -> Result<(), GroupError> {
        new.check()?;
        if self.groups.contains_key(&new.name) {
            return Err(GroupError::Exists);
        }
        for ticket in &new.finalizers {
            self.check(ticket, IfExists::Refuse).map_err(GroupError::Finalizer)?;
        }
        let mut group = Group::bare(new.name.clone());
        group.expire_in = new.expire_in;
        group.finalizers = new.finalizers.iter().map(|ticket| ticket.id.clone()).collect();
        self.groups.insert(new.name.clone(), group);
        for ticket in new.into_finalizers() {
            let addition = Addition { ticket, if_exists: IfExists::Refuse };
            self.add(addition, now).map_err(GroupError::Finalizer)?;
        }
        Ok(())
    }

    fn close_group(&mut self, name: &Label, now: Timestamp) -> Result<(), GroupError> {
        let group = self.groups.get_mut(name).ok_or(GroupError::NotFound)?;
        if rules::close_group(group, now) {
            let finalizers = group.finalizers.clone();
            self.free(&finalizers, now);
        }
        Ok(())
    }

    fn delete_group(&mut self, name: &Label, now: Timestamp) -> Result<(), GroupError> {
        let group = self.groups.get(name).ok_or(GroupError::NotFound)?;
        if group.progress.pending > 0 {
            return Err(GroupError::Pending { pending: group.progress.pending });
        }
        for id in group.finalizers.clone() {
            if let Some(at) = self.find(&id).filter(|at| rules::is_held(&self.tickets[*at].1)) {
                self.remove(at, now);
            }
        }
        self.groups.remove(name);
        Ok(())
    }

    fn stats(&self, now: Timestamp) -> StoreStats {
        let mut stats = StoreStats::default();
        for (_, ticket) in &self.tickets {
            match ticket.status {
                Status::Pending => stats.pending += 1,
                Status::Done => stats.done += 1,
                Status::Failed => stats.failed += 1,
                Status::Cancelled => stats.cancelled += 1,
            }
            stats.claimed += u64::from(ticket.lease.is_some_and(|lease| lease.until > now));
        }
        stats
    }
}

impl<C: Clock> Store for PlainStore<C> {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        Ok(self.change(|board, now| additions.into_iter().map(|one| board.add(one, now)).collect()))
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        let (board, _) = self.lock();
        Ok(board.find(id).map(|at| board.tickets[at].1.clone()))
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        Ok(self.change(|board, now| updates.iter().map(|one| board.update(one, now)).collect()))
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        let (mut board, now) = self.lock();
        Ok(board.poll(poll, now))
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        let (mut board, now) = self.lock();
        Ok(board.expire(at_most, now))
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let (board, _) = self.lock();
        let after = page.after.map_or(0, |cursor| cursor.0);
        let matching = board.tickets.iter().filter(|(n, one)| *n > after && filter.matches(one));
        let part: Vec<&(u64, Ticket)> = matching.take(page.at_most).collect();
        let full = part.len() == page.at_most;
        let next = part.last().filter(|_| full).map(|(number, _)| Cursor(*number));
        Ok(Listing { tickets: part.into_iter().map(|(_, one)| one.clone()).collect(), next })
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        let (board, now) = self.lock();
        Ok(board.stats(now))
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        self.change(|board, now| board.open_group(group, now))
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        self.change(|board, now| board.close_group(name, now))
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        Ok(self.lock().0.groups.get(name).cloned())
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        self.change(|board, now| board.delete_group(name, now))
    }

    fn hang(&self, bell: &Arc<Bell>) {
        self.bells.hang(bell);
    }

    fn prefers_batches(&self) -> bool {
        false
    }
}

/// What the suite needs to know of a store: how to get an empty one, and how to let time pass.
#[derive(Default)]
struct Plain(Arc<VirtualClock>);

impl Subject for Plain {
    fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(PlainStore::new(Arc::clone(&self.0)))
    }

    fn pass(&self, _: &dyn Store, time: Duration) {
        self.0.advance(time);
    }
}

fn main() {
    for check in checks() {
        check.run(&Plain::default());
        println!("holds: {}", check.name.replace('_', " "));
    }
}

#[test]
fn it_is_a_store() {
    hersh::kharon::conformance::run_all(&Plain::default());
}
