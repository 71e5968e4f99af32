//! How often the host may be asked for work, and by how many at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::ApiError;
use crate::program::UserId;

/// A bound on a rate: so many at once, and then so many a second.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many may come at once.
    pub burst: u32,
    /// How many may come a second in the long run.
    pub per_second: u32,
}

/// A bucket that fills with time; each request takes a drop.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    // When it would have been full, had nothing been taken since.
    full_at: Mutex<Option<Instant>>,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::new(None) }
    }

    /// Takes one at `now`, or says after how many seconds one can be had.
    pub(super) fn take(&self, now: Instant) -> Result<(), ApiError> {
        let each = Duration::from_secs(1) / self.rate.per_second.max(1);
        let all = each * self.rate.burst.max(1);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = full_at.unwrap_or(now).max(now) + each;
        let late = after.saturating_duration_since(now + all);
        if !late.is_zero() {
            let wait = late.as_secs() + 1;
            return Err(ApiError::busy("too many requests for work at once", wait));
        }
        *full_at = Some(after);
        Ok(())
    }
}

/// How many may do the same at a time, and how many of these for one user.
#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    most_of_a_user: usize,
    /// Who has one; the admin, and everyone where no tokens are asked for, is nobody.
    taken: Mutex<Vec<Option<UserId>>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    user: Option<UserId>,
}

impl Slots {
    pub(super) fn new(most: usize, most_of_a_user: usize) -> Self {
        Self { most, most_of_a_user, taken: Mutex::default() }
    }

    /// Takes a place, or says that there is none.
    pub(super) fn enter(&self, user: Option<&UserId>) -> Result<Slot<'_>, ApiError> {
        let user = user.cloned();
        let mut taken = self.taken();
        if taken.len() >= self.most {
            return Err(ApiError::busy("others are doing the same at this moment", 1));
        }
        let own = taken.iter().filter(|one| **one == user).count();
        if user.is_some() && own >= self.most_of_a_user {
            return Err(ApiError::busy("you are doing the same already, as often as you may", 1));
        }
        taken.push(user.clone());
        Ok(Slot { slots: self, user })
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Option<UserId>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        if let Some(own) = taken.iter().position(|one| *one == self.user) {
            taken.swap_remove(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let slots = Slots::new(1, 1);
        let slot = slots.enter(None).unwrap();
        slots.enter(None).unwrap_err();
        drop(slot);
        slots.enter(None).unwrap();
    }

    #[test]
    fn one_user_does_not_take_all_places() {
        let [ann, bob]: [UserId; 2] = ["ann", "bob"].map(|user| user.parse().unwrap());
        let slots = Slots::new(4, 2);
        let first = slots.enter(Some(&ann)).unwrap();
        let _second = slots.enter(Some(&ann)).unwrap();
        slots.enter(Some(&ann)).unwrap_err();
        let _others = [Some(&bob), None].map(|user| slots.enter(user).unwrap());
        slots.enter(None).unwrap_err();
        drop(first);
        slots.enter(Some(&ann)).unwrap();
    }

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::new(Rate { burst: 3, per_second: 2 });
        let start = Instant::now();
        for _ in 0..3 {
            bucket.take(start).unwrap();
        }
        let refused = bucket.take(start).unwrap_err();
        assert!(format!("{refused:?}").contains("Retry-After"));
        let later = start + Duration::from_millis(500);
        bucket.take(later).unwrap();
        bucket.take(later).unwrap_err();
        let idle = start + Duration::from_secs(3600);
        for _ in 0..3 {
            bucket.take(idle).unwrap();
        }
        bucket.take(idle).unwrap_err();
    }
}
