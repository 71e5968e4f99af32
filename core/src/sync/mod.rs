//! Threads, locks, channels and time, as the threaded body uses them.
//!
//! In every ordinary build these are the ones of std and crossbeam, by another name and at no cost.
//! The unit tests of a build with `--cfg shuttle` get modelled ones instead (`modelled`): they run all
//! threads on one, switch between them wherever two could meet, and let time pass as they please, so
//! that the schedules of the runtime can be explored by the thousand (`crate::schedules`).

#[cfg(all(test, shuttle))]
mod modelled;

#[cfg(all(test, shuttle))]
pub(crate) use modelled::{
    Condvar, Instant, Mutex, MutexGuard, atomic, channel, thread, thread_local,
};

#[cfg(all(test, shuttle))]
pub(crate) use modelled::explore;

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
    time::Instant,
};

#[cfg(not(all(test, shuttle)))]
pub(crate) use crossbeam_channel as channel;
