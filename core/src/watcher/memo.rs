//! Values computed once per session.

use std::any::{Any, type_name};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError};

use super::error::MemoError;
use crate::drive::lock;
use crate::observe::MemoEntry;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex};

type Shared = Arc<dyn Any + Send + Sync>;

/// The memos of one session.
pub(crate) struct Memos {
    table: Mutex<HashMap<String, Arc<Memo>>>,
    most: usize,
}

struct Memo {
    type_name: &'static str,
    show: fn(&Shared) -> String,
    slot: Mutex<Slot>,
    settled: Condvar,
}

enum Slot {
    Empty,
    Computing(ThreadId),
    Ready(Shared),
}

/// Makes the memo available again to others if its computation fails or panics.
struct Claim<'a> {
    memo: &'a Memo,
    result: Slot,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        *lock(&self.memo.slot) = std::mem::replace(&mut self.result, Slot::Empty);
        self.memo.settled.notify_all();
    }
}

impl Memos {
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Mutex::default(), most }
    }

    pub(crate) fn get_or_compute<T, E>(
        &self,
        name: &str,
        compute: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, MemoError<E>>
    where
        T: Debug + Send + Sync + 'static,
    {
        let memo = self.entry::<T, E>(name)?;
        if let Some(ready) = memo.claim(name)? {
            return ready.downcast().map_err(|_| memo.mismatch::<T, E>(name));
        }
        let mut claim = Claim { memo: &memo, result: Slot::Empty };
        match compute() {
            Ok(value) => {
                let value = Arc::new(value);
                claim.result = Slot::Ready(Arc::clone(&value) as Shared);
                Ok(value)
            }
            Err(error) => {
                drop(claim);
                self.forget(name, &memo);
                Err(MemoError::Compute(error))
            }
        }
    }

    fn entry<T, E>(&self, name: &str) -> Result<Arc<Memo>, MemoError<E>>
    where
        T: Debug + Send + Sync + 'static,
    {
        let mut table = lock(&self.table);
        // A computation that panicked left its name behind, empty: it must not count.
        table.retain(|known, memo| known == name || !memo.is_abandoned());
        if let Some(memo) = table.get(name) {
            return if memo.type_name == type_name::<T>() || memo.is_abandoned() {
                Ok(Arc::clone(memo))
            } else {
                Err(memo.mismatch::<T, E>(name))
            };
        }
        if table.len() >= self.most {
            return Err(MemoError::Limit { name: name.to_owned(), max_memo_entries: self.most });
        }
        let memo = Arc::new(Memo::empty::<T>());
        table.insert(name.to_owned(), Arc::clone(&memo));
        Ok(memo)
    }

    fn forget(&self, name: &str, memo: &Arc<Memo>) {
        let mut table = lock(&self.table);
        if table.get(name).is_some_and(|known| Arc::ptr_eq(known, memo)) {
            table.remove(name);
        }
    }

    /// Removes a memo; whether there was one. One that is being computed is given to those who
    /// wait for it, and kept for nobody else.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let removed = lock(&self.table).remove(name);
        removed.is_some()
    }

    /// Forgets all. They are given away, so that none is dropped under a lock.
    #[must_use]
    pub(crate) fn clear(&self) -> impl Sized + use<> {
        std::mem::take(&mut *lock(&self.table))
    }

    /// The memos by name. Their debug forms are made without the table's lock.
    pub(crate) fn entries(&self) -> Vec<MemoEntry> {
        let mut memos: Vec<_> =
            lock(&self.table).iter().map(|(name, memo)| (name.clone(), Arc::clone(memo))).collect();
        memos.sort_by(|a, b| a.0.cmp(&b.0));
        memos.into_iter().map(|(name, memo)| memo.show(name)).collect()
    }
}

impl Memo {
    fn empty<T: Debug + Send + Sync + 'static>() -> Self {
        Self {
            type_name: type_name::<T>(),
            show: |value| value.downcast_ref::<T>().map(|v| format!("{v:?}")).unwrap_or_default(),
            slot: Mutex::new(Slot::Empty),
            settled: Condvar::new(),
        }
    }

    /// The value; or `None`, and the caller is to compute it. Waits while another thread does.
    fn claim<E>(&self, name: &str) -> Result<Option<Shared>, MemoError<E>> {
        let me = thread::current().id();
        let mut slot = lock(&self.slot);
        loop {
            match &*slot {
                Slot::Ready(value) => return Ok(Some(Arc::clone(value))),
                Slot::Computing(thread) if *thread == me => {
                    return Err(MemoError::Recursive { name: name.to_owned() });
                }
                Slot::Computing(_) => {
                    slot = self.settled.wait(slot).unwrap_or_else(PoisonError::into_inner);
                }
                Slot::Empty => {
                    *slot = Slot::Computing(me);
                    return Ok(None);
                }
            }
        }
    }

    fn is_abandoned(&self) -> bool {
        matches!(*lock(&self.slot), Slot::Empty)
    }

    fn mismatch<T, E>(&self, name: &str) -> MemoError<E> {
        MemoError::Mismatch {
            name: name.to_owned(),
            existing: self.type_name,
            requested: type_name::<T>(),
        }
    }

    fn show(&self, name: String) -> MemoEntry {
        let value = match &*lock(&self.slot) {
            Slot::Ready(value) => Some(Arc::clone(value)),
            Slot::Empty | Slot::Computing(_) => None,
        };
        MemoEntry {
            name,
            type_name: self.type_name,
            debug: value.as_ref().map(|value| (self.show)(value)),
            #[cfg(feature = "json")]
            json: value.as_ref().and_then(plain_json),
        }
    }
}

/// The JSON form of the plain types; a memo may be of any type, so most have none.
#[cfg(feature = "json")]
fn plain_json(value: &Shared) -> Option<serde_json::Value> {
    macro_rules! plain {
        ($($type:ty),*) => {
            $(if let Some(value) = value.downcast_ref::<$type>() {
                return serde_json::to_value(value).ok();
            })*
        };
    }
    plain!(bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
    plain!(String, &'static str, Vec<String>, serde_json::Value);
    None
}

/// Lifts a computation that cannot fail.
pub(crate) fn infallible<T>(compute: impl FnOnce() -> T) -> impl FnOnce() -> Result<T, Infallible> {
    || Ok(compute())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn get(memos: &Memos, name: &str, value: u32) -> Result<Arc<u32>, MemoError> {
        memos.get_or_compute(name, || Ok(value))
    }

    #[test]
    fn two_threads_that_ask_at_once_compute_once() {
        let memos = Memos::new(10);
        let (computed, together) = (AtomicU32::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    let value = memos.get_or_compute("n", || {
                        Ok::<_, Infallible>(computed.fetch_add(1, Ordering::SeqCst))
                    });
                    assert_eq!(value.as_deref(), Ok(&0));
                });
            }
        });
        assert_eq!(computed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn one_too_many_is_an_error_and_evicts_nothing() {
        let memos = Memos::new(2);
        assert!(get(&memos, "a", 1).is_ok() && get(&memos, "b", 2).is_ok());
        assert!(matches!(get(&memos, "c", 3), Err(MemoError::Limit { max_memo_entries: 2, .. })));
        assert_eq!(get(&memos, "a", 9).as_deref(), Ok(&1));
        assert!(memos.remove("a"));
        assert_eq!(get(&memos, "c", 3).as_deref(), Ok(&3));
    }

    #[test]
    fn a_computation_that_panics_or_fails_caches_nothing() {
        let memos = Memos::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            memos.get_or_compute::<u32, Infallible>("a", || panic!("no"))
        }));
        assert!(panicked.is_err());
        let failed = memos.get_or_compute::<u32, &str>("b", || Err("no network"));
        assert_eq!(failed, Err(MemoError::Compute("no network")));
        assert_eq!(get(&memos, "c", 3).as_deref(), Ok(&3), "neither counts against the limit");
    }

    #[test]
    fn a_memo_that_asks_for_itself_is_refused_instead_of_waiting_forever() {
        let memos = Memos::new(10);
        let outer = memos.get_or_compute("a", || {
            assert_eq!(get(&memos, "a", 2), Err(MemoError::Recursive { name: "a".to_owned() }));
            Ok::<u32, Infallible>(1)
        });
        assert_eq!(outer.as_deref(), Ok(&1));
    }

    #[test]
    fn another_type_under_the_same_name_is_refused() {
        let memos = Memos::new(10);
        assert!(get(&memos, "a", 1).is_ok());
        let other = memos.get_or_compute::<String, Infallible>("a", || Ok(String::new()));
        assert!(matches!(other, Err(MemoError::Mismatch { .. })));
    }
}
