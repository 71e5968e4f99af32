//! Handles: what C holds instead of pointers into this library.
//!
//! A handle looks like a pointer and is a number: the type, a slot of that type's table, and how
//! often the slot has been used. It is never followed. So a handle that has been freed, that is of
//! another type, or that was never one, is found out and answered with a status; freeing twice, or
//! freeing while another thread uses it, is defined. What a handle stands for lives until the last
//! call that uses it returns.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Answer, Failure};
use crate::status::HershStatus;
use crate::text::{lock, null};

const TAG_BITS: u32 = 5;
const INDEX_BITS: u32 = (usize::BITS - TAG_BITS) / 2;
const GENERATION_BITS: u32 = usize::BITS - TAG_BITS - INDEX_BITS;

/// The most handles of one type that can be alive at one time.
const MOST: usize = (1 << INDEX_BITS) - 1;

macro_rules! tags {
    ($($tag:ident = $number:literal, $name:literal;)*) => {
        /// The types of handles. The number is part of every handle; 0 would make a handle NULL.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Tag {
            $($tag = $number),*
        }

        impl Tag {
            const ALL: &[(Self, &'static str)] = &[$((Self::$tag, $name)),*];
        }
    };
}

tags! {
    Config = 1, "HershConfig";
    Token = 2, "HershToken";
    Watcher = 3, "HershWatcher";
    Report = 4, "HershReport";
    Context = 5, "HershContext";
    Poll = 6, "HershPoll";
    Flow = 7, "HershFlow";
    Simulation = 8, "HershSimulation";
    Replay = 9, "HershReplay";
    KharonConfig = 10, "HershKharonConfig";
    Kharon = 11, "HershKharon";
    Router = 12, "HershRouter";
    NewTicket = 13, "HershNewTicket";
    Ticket = 14, "HershTicket";
    Claim = 15, "HershClaim";
    Options = 16, "HershOptions";
}

impl Tag {
    fn name_of(number: usize) -> Option<&'static str> {
        Self::ALL.iter().find(|(tag, _)| *tag as usize == number).map(|(_, name)| *name)
    }
}

/// A type that C holds handles of.
pub(crate) trait Handle: Sized + Send + Sync + 'static {
    /// Its number.
    const TAG: Tag;

    /// Its table.
    fn table() -> &'static Table<Self>;
}

/// Everything of one type that C holds.
pub(crate) struct Table<T>(Mutex<Slots<T>>);

struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

struct Slot<T> {
    generation: usize,
    content: Option<Arc<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Slots { slots: Vec::new(), free: Vec::new() }))
    }
}

/// Handles of all types that have been handed out and not taken back.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Makes a type one that C holds handles of.
macro_rules! handle_of {
    ($type:ty, $tag:ident) => {
        impl $crate::handle::Handle for $type {
            const TAG: $crate::handle::Tag = $crate::handle::Tag::$tag;

            fn table() -> &'static $crate::handle::Table<Self> {
                static TABLE: $crate::handle::Table<$type> = $crate::handle::Table::new();
                &TABLE
            }
        }
    };
}
pub(crate) use handle_of;

/// Hands something over to C, which owns the handle until it frees it.
pub(crate) fn insert<T: Handle>(content: T) -> Answer<*mut T> {
    place(Arc::new(content))
}

fn place<T: Handle>(content: Arc<T>) -> Answer<*mut T> {
    let mut table = lock(&T::table().0);
    let index = match table.free.pop() {
        Some(index) => index,
        None if table.slots.len() < MOST => {
            table.slots.push(Slot { generation: 0, content: None });
            table.slots.len() - 1
        }
        None => {
            let words = format_args!("{MOST} handles of this type are alive: free some");
            return Err(Failure::new(HershStatus::Limit, words));
        }
    };
    let slot = &mut table.slots[index];
    slot.generation = (slot.generation + 1) & ((1 << GENERATION_BITS) - 1);
    slot.content = Some(content);
    ALIVE.fetch_add(1, Ordering::Relaxed);
    Ok(encode(T::TAG, index, slot.generation))
}

/// What a handle stands for.
pub(crate) fn get<T: Handle>(handle: *const T, argument: &str) -> Answer<Arc<T>> {
    find(handle, argument, |slots, index| slots.slots[index].content.clone())
}

/// Takes a handle back from C; NULL is fine and gives nothing.
pub(crate) fn take<T: Handle>(handle: *mut T, argument: &str) -> Answer<Option<Arc<T>>> {
    if handle.is_null() {
        return Ok(None);
    }
    let content = find(handle, argument, |slots, index| {
        let content = slots.slots[index].content.take()?;
        slots.free.push(index);
        Some(content)
    })?;
    ALIVE.fetch_sub(1, Ordering::Relaxed);
    Ok(Some(content))
}

/// A handle that is alive while this value is: what a callback is given.
pub(crate) struct Lent<T: Handle> {
    handle: *mut T,
    content: Arc<T>,
}

impl<T: Handle> Lent<T> {
    pub(crate) fn new(content: T) -> Answer<Self> {
        let content = Arc::new(content);
        let handle = place(Arc::clone(&content))?;
        Ok(Self { handle, content })
    }

    pub(crate) const fn handle(&self) -> *mut T {
        self.handle
    }

    pub(crate) fn content(&self) -> &T {
        &self.content
    }
}

impl<T: Handle> Drop for Lent<T> {
    fn drop(&mut self) {
        // Nobody else can have freed it: there is no function for that.
        let _ = take(self.handle, "the handle");
    }
}

fn find<T: Handle>(
    handle: *const T,
    argument: &str,
    pick: impl FnOnce(&mut Slots<T>, usize) -> Option<Arc<T>>,
) -> Answer<Arc<T>> {
    if handle.is_null() {
        return Err(null(argument));
    }
    let (tag, index, generation) = decode(handle);
    if tag == T::TAG as usize {
        let mut table = lock(&T::table().0);
        let known = table.slots.get(index).is_some_and(|slot| slot.generation == generation);
        if let Some(content) = known.then(|| pick(&mut table, index)).flatten() {
            return Ok(content);
        }
    }
    let wanted = Tag::name_of(T::TAG as usize).unwrap_or_default();
    let words = match Tag::name_of(tag).filter(|name| *name != wanted) {
        Some(other) => format!("{argument} is a {other}, not a {wanted}"),
        None => format!(
            "{argument} is no {wanted} that is alive: it was freed, or its callback has returned"
        ),
    };
    Err(Failure::new(HershStatus::InvalidHandle, words))
}

fn encode<T>(tag: Tag, index: usize, generation: usize) -> *mut T {
    let number = (generation << (INDEX_BITS + TAG_BITS)) | (index << TAG_BITS) | tag as usize;
    ptr::without_provenance_mut(number)
}

fn decode<T>(handle: *const T) -> (usize, usize, usize) {
    let number = handle.addr();
    let index = (number >> TAG_BITS) & ((1 << INDEX_BITS) - 1);
    (number & ((1 << TAG_BITS) - 1), index, number >> (INDEX_BITS + TAG_BITS))
}

/// How many handles and strings this program holds and has not freed. A program that frees what it
/// is given reads 0 before it ends. From any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_alive() -> usize {
    crate::boundary::value(0, || Ok(ALIVE.load(Ordering::Relaxed) + crate::text::strings_alive()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;
    handle_of!(Thing, Report);

    #[test]
    fn a_handle_is_known_until_it_is_freed_and_never_after() {
        let first = insert(Thing).expect("room");
        assert!(get(first, "thing").is_ok());
        assert!(take(first, "thing").is_ok());
        let second = insert(Thing).expect("room");
        assert_ne!(first, second, "the slot is used again, the handle is not");
        for stale in [get(first, "thing").err(), take(first, "thing").err()] {
            assert_eq!(stale.expect("refused").status, HershStatus::InvalidHandle);
        }
        assert!(get(second, "thing").is_ok());
        let _ = take(second, "thing");
    }

    #[test]
    fn garbage_and_other_types_are_refused_with_words() {
        let words = |number: usize| {
            get(ptr::without_provenance::<Thing>(number), "thing").err().expect("refused").words
        };
        assert!(words(Tag::Watcher as usize).contains("is a HershWatcher, not a HershReport"));
        assert!(words(usize::MAX).contains("no HershReport that is alive"));
        assert!(words(0xdead_beef_usize).contains("thing"));
        assert!(get(ptr::null::<Thing>(), "thing").err().expect("refused").words.contains("NULL"));
    }
}
