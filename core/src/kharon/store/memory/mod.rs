//! Tickets in memory: as fast as can be, and gone with the process.
//!
//! One lock, held for a call, or for a stretch of one that may have much to do. Time is the clock given
//! when it was made. Indexes keep ready and waiting tickets in order; the tickets lie in a slab.

mod groups;
mod lanes;
mod record;
mod shelves;
mod slab;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Added, Addition, Cursor, Expired, Filter, IfExists, Listing, Page, Poll, Polled, Store,
    StoreStats, Update,
};
use crate::kharon::bell::{Bell, Bells};
use crate::kharon::error::{AddError, GroupError, StoreError, UpdateError};
use crate::kharon::group::{Group, NewGroup};
use crate::kharon::name::{Label, TicketId};
use crate::kharon::ticket::Ticket;
use crate::kharon::time::{Clock, SystemClock, Timestamp};
use shelves::Shelves;

/// How much is done under one hold of the lock where there may be much to do.
const STRETCH: usize = 1024;

/// Tickets in memory.
///
/// Indexes keep the tickets in order, so a poll costs `O((kinds + batch) · log n)` whatever waits.
/// Nothing survives the process.
///
/// ```
/// use hersh::kharon::{MemoryStore, NewTicket, Store};
/// use hersh::kharon::store::{Addition, IfExists};
///
/// let store = MemoryStore::new();
/// let ticket = NewTicket::new("one", "greet")?;
/// store.add(vec![Addition { ticket, if_exists: IfExists::Refuse }])?;
/// assert_eq!(store.stats()?.pending, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryStore {
    shelves: Mutex<Shelves>,
    clock: Box<dyn Clock>,
    bells: Bells,
}

impl MemoryStore {
    /// A store without tickets, on the [`SystemClock`].
    pub fn new() -> Self {
        Self::with_clock(SystemClock::new())
    }

    /// A store without tickets, on a clock of one's own.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { shelves: Mutex::new(Shelves::new()), clock: Box::new(clock), bells: Bells::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // Nothing in here panics half-way through a change, so a poisoned lock guards whole data.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and rings if it gave somebody something to do.
    fn change<T>(&self, change: impl FnOnce(&mut Shelves, Timestamp) -> T) -> T {
        let mut shelves = self.lock();
        let result = change(&mut shelves, self.clock.now());
        let news = std::mem::take(&mut shelves.news);
        drop(shelves);
        if news > 0 {
            self.bells.ring(news);
        }
        result
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("stats", &self.lock().stats).finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn add(&self, additions: Vec<Addition>) -> Result<Vec<Result<Added, AddError>>, StoreError> {
        Ok(self.change(|shelves, now| {
            additions.into_iter().map(|addition| shelves.add(addition, now)).collect()
        }))
    }

    fn get(&self, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        let shelves = self.lock();
        Ok(shelves.find(id).and_then(|slot| shelves.ticket(slot)))
    }

    fn update(&self, updates: Vec<Update>) -> Result<Vec<Result<(), UpdateError>>, StoreError> {
        Ok(self.change(|shelves, now| {
            updates.iter().map(|update| shelves.update(update, now)).collect()
        }))
    }

    fn poll_pending(&self, poll: &Poll) -> Result<Polled, StoreError> {
        loop {
            let mut shelves = self.lock();
            let now = self.clock.now();
            if shelves.promote(poll, STRETCH, now) {
                let tickets = shelves.claim(poll, now);
                let next_in = shelves.lanes.next(poll).map(|at| at.since(now));
                return Ok(Polled { tickets, next_in });
            }
        }
    }

    fn expire_tickets(&self, at_most: usize) -> Result<Expired, StoreError> {
        Ok(self.change(|shelves, now| {
            let removed = (0..at_most).take_while(|_| shelves.expire(now)).count();
            for _ in 0..at_most {
                if !shelves.groups.expire(now) {
                    break;
                }
            }
            let next = [shelves.next_expiry(), shelves.groups.next_expiry()];
            let next_in = next.into_iter().flatten().min().map(|at| at.since(now));
            Expired { removed, next_in }
        }))
    }

    fn list(&self, filter: &Filter, page: &Page) -> Result<Listing, StoreError> {
        let mut at = page.after.map_or(0, |cursor| u32::try_from(cursor.0).unwrap_or(u32::MAX));
        let mut tickets = Vec::new();
        loop {
            let shelves = self.lock();
            for _ in 0..STRETCH {
                if at >= shelves.end() {
                    return Ok(Listing { tickets, next: None });
                }
                if tickets.len() >= page.at_most {
                    return Ok(Listing { tickets, next: Some(Cursor(at.into())) });
                }
                tickets.extend(shelves.ticket(at).filter(|ticket| filter.matches(ticket)));
                at += 1;
            }
        }
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        Ok(self.lock().stats)
    }

    fn open_group(&self, group: NewGroup) -> Result<(), GroupError> {
        self.change(|shelves, now| open_group(shelves, group, now))
    }

    fn close_group(&self, name: &Label) -> Result<(), GroupError> {
        self.change(|shelves, now| {
            let finalizers = shelves.groups.close(name, now)?;
            shelves.free(&finalizers, now);
            Ok(())
        })
    }

    fn group(&self, name: &Label) -> Result<Option<Group>, StoreError> {
        Ok(self.lock().groups.get(name).cloned())
    }

    fn delete_group(&self, name: &Label) -> Result<(), GroupError> {
        self.change(|shelves, now| {
            for finalizer in shelves.groups.delete(name)? {
                shelves.drop_finalizer(&finalizer, now);
            }
            Ok(())
        })
    }

    fn hang(&self, bell: &Arc<Bell>) {
        self.bells.hang(bell);
    }

    fn prefers_batches(&self) -> bool {
        false
    }
}

fn open_group(shelves: &mut Shelves, group: NewGroup, now: Timestamp) -> Result<(), GroupError> {
    group.check()?;
    if shelves.groups.get(&group.name).is_some() {
        return Err(GroupError::Exists);
    }
    for ticket in &group.finalizers {
        shelves.check(ticket, IfExists::Refuse).map_err(GroupError::Finalizer)?;
    }
    shelves.groups.open(&group);
    for ticket in group.into_finalizers() {
        let addition = Addition { ticket, if_exists: IfExists::Refuse };
        shelves.add(addition, now).map_err(GroupError::Finalizer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kharon::conformance::{Subject, run_all};
    use crate::kharon::time::VirtualClock;
    use std::time::Duration;

    #[derive(Default)]
    struct Memory(Arc<VirtualClock>);

    impl Subject for Memory {
        fn fresh(&self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::with_clock(Arc::clone(&self.0)))
        }

        fn pass(&self, _: &dyn Store, time: Duration) {
            self.0.advance(time);
        }
    }

    #[test]
    fn it_conforms() {
        run_all(&Memory::default());
    }
}
