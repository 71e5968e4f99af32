//! Handles: what C holds instead of pointers into this library.
//!
//! A handle looks like a pointer and is a number: the type, a slot of that type's table, and which use
//! of that slot. It is never followed. So a handle that has been freed, that is of another type, or
//! that was never one, is found out and answered with a status; freeing twice, or freeing while
//! another thread uses it, is defined. What a handle stands for lives until the last call that uses it
//! returns.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Answer, Failure};
use crate::status::HershStatus;
use crate::text::{lock, null};

const TAG_BITS: u32 = 5;
/// The rest counts the uses of a slot, one each execution of a managed function: 34 thousand million
/// of them pass on a 64-bit machine before a stale handle could be taken for one that is alive.
const INDEX_BITS: u32 = if usize::BITS < 64 { (usize::BITS - TAG_BITS) / 2 } else { 24 };
const GENERATION_BITS: u32 = usize::BITS - TAG_BITS - INDEX_BITS;

/// The most handles of one type that can be alive at one time.
const MOST: usize = (1 << INDEX_BITS) - 1;
const LAST_GENERATION: usize = (1 << GENERATION_BITS) - 1;

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

/// A slot of a table, and which of its uses, from 1.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    generation: usize,
}

impl Place {
    const fn next(self) -> Self {
        let last = self.generation == LAST_GENERATION;
        Self { index: self.index, generation: if last { 1 } else { self.generation + 1 } }
    }
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Slots { slots: Vec::new(), free: Vec::new() }))
    }
}

impl<T> Slots<T> {
    /// Finds a slot for this.
    fn fill(&mut self, content: Arc<T>) -> Answer<Place> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < MOST => {
                self.slots.push(Slot { generation: 0, content: None });
                self.slots.len() - 1
            }
            None => {
                let words = format_args!("{MOST} handles of this type are alive: free some");
                return Err(Failure::new(HershStatus::Limit, words));
            }
        };
        let place = Place { index, generation: self.slots[index].generation }.next();
        self.slots[index] = Slot { generation: place.generation, content: Some(content) };
        Ok(place)
    }

    fn at(&self, place: Place) -> Option<&Arc<T>> {
        let slot = self.slots.get(place.index)?;
        slot.content.as_ref().filter(|_| slot.generation == place.generation)
    }

    fn empty(&mut self, place: Place) -> Option<Arc<T>> {
        self.at(place)?;
        self.free.push(place.index);
        self.slots[place.index].content.take()
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
    let place = lock(&T::table().0).fill(Arc::new(content))?;
    ALIVE.fetch_add(1, Ordering::Relaxed);
    Ok(encode(T::TAG, place))
}

/// What a handle stands for.
pub(crate) fn get<T: Handle>(handle: *const T, argument: &str) -> Answer<Arc<T>> {
    find(handle, argument, |slots, place| slots.at(place).cloned())
}

/// Takes a handle back from C; NULL is fine and gives nothing.
pub(crate) fn take<T: Handle>(handle: *mut T, argument: &str) -> Answer<Option<Arc<T>>> {
    if handle.is_null() {
        return Ok(None);
    }
    let content = find(handle, argument, Slots::empty)?;
    ALIVE.fetch_sub(1, Ordering::Relaxed);
    Ok(Some(content))
}

/// A handle that is alive while this value is: what a callback is given.
pub(crate) struct Lent<T: Handle> {
    place: Place,
    content: Arc<T>,
}

impl<T: Handle> Lent<T> {
    pub(crate) fn new(content: T) -> Answer<Self> {
        let content = Arc::new(content);
        let place = lock(&T::table().0).fill(Arc::clone(&content))?;
        Ok(Self { place, content })
    }

    pub(crate) fn handle(&self) -> *mut T {
        encode(T::TAG, self.place)
    }

    pub(crate) fn content(&self) -> &T {
        &self.content
    }
}

impl<T: Handle> Drop for Lent<T> {
    fn drop(&mut self) {
        // Nobody else can have freed it, as there is no function for that. It is dropped unlocked.
        let _last = lock(&T::table().0).empty(self.place);
    }
}

/// A slot whose content stays in it and is lent to one callback after another, under another handle
/// each time. The content itself knows which handle that is, so that no table is locked for it.
pub(crate) struct Reserved<T: Handle>(Lent<T>);

impl<T: Handle> Reserved<T> {
    pub(crate) fn new(content: T) -> Answer<Self> {
        Lent::new(content).map(Self)
    }

    /// The next handle, and its generation.
    pub(crate) fn next(&mut self) -> (*mut T, usize) {
        self.0.place = self.0.place.next();
        (self.0.handle(), self.0.place.generation)
    }

    pub(crate) fn content(&self) -> &T {
        self.0.content()
    }
}

impl<T: Handle> Drop for Reserved<T> {
    fn drop(&mut self) {
        // Whoever has the slot next goes on counting where this has stopped.
        let place = self.0.place;
        lock(&T::table().0).slots[place.index].generation = place.generation;
    }
}

/// What the content of a reserved slot has to say to a handle, of which it is told the generation.
pub(crate) fn ask<T: Handle, A>(
    handle: *const T,
    argument: &str,
    ask: impl FnOnce(&T, usize) -> Option<A>,
) -> Answer<A> {
    find(handle, argument, |slots, place| {
        ask(slots.slots.get(place.index)?.content.as_ref()?, place.generation)
    })
}

fn find<T: Handle, A>(
    handle: *const T,
    argument: &str,
    pick: impl FnOnce(&mut Slots<T>, Place) -> Option<A>,
) -> Answer<A> {
    if handle.is_null() {
        return Err(null(argument));
    }
    let (tag, place) = decode(handle.addr());
    if tag == T::TAG as usize {
        let found = pick(&mut lock(&T::table().0), place);
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(refused(tag, T::TAG, argument))
}

fn refused(tag: usize, wanted: Tag, argument: &str) -> Failure {
    let wanted = Tag::name_of(wanted as usize).unwrap_or_default();
    let words = match Tag::name_of(tag).filter(|name| *name != wanted) {
        Some(other) => format!("{argument} is a {other}, not a {wanted}"),
        None => format!(
            "{argument} is no {wanted} that is alive: it was freed, or its callback has returned"
        ),
    };
    Failure::new(HershStatus::InvalidHandle, words)
}

fn encode<T>(tag: Tag, Place { index, generation }: Place) -> *mut T {
    let number = (generation << (INDEX_BITS + TAG_BITS)) | (index << TAG_BITS) | tag as usize;
    ptr::without_provenance_mut(number)
}

fn decode(number: usize) -> (usize, Place) {
    let index = (number >> TAG_BITS) & ((1 << INDEX_BITS) - 1);
    let place = Place { index, generation: number >> (INDEX_BITS + TAG_BITS) };
    (number & ((1 << TAG_BITS) - 1), place)
}

/// How many handles and strings this program holds and has not freed; what callbacks are lent does
/// not count. A program that frees what it is given reads 0 before it ends. From any thread.
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
    fn a_reserved_slot_never_gives_a_handle_twice() {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut reserved = Reserved::new(Thing).expect("room");
            for _ in 0..3 {
                let (handle, generation) = reserved.next();
                let told = |_: &Thing, generation: usize| Some(generation);
                assert_eq!(ask(handle, "thing", told).expect("it is there"), generation);
                assert!(!seen.contains(&handle), "{handle:?} was given before");
                seen.push(handle);
            }
        }
        let given = insert(Thing).expect("room");
        assert!(!seen.contains(&given));
        let _ = take(given, "thing");
    }

    #[test]
    fn the_last_generation_is_followed_by_the_first() {
        let place = Place { index: 7, generation: LAST_GENERATION }.next();
        assert_eq!((place.index, place.generation), (7, 1));
        let last = encode::<Thing>(Tag::Options, Place { index: 7, generation: LAST_GENERATION });
        assert_eq!(decode(last.addr()).1.generation, LAST_GENERATION);
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
