//! The same under shuttle.
//!
//! Shuttle has threads, locks and atomics, and no time, no timeouts and no channels with a select.
//! Those are here, made of what shuttle has, so that each of their steps is a choice of the schedule.

pub(crate) mod channel;
mod clock;
mod condvar;
mod explore;
pub(crate) mod thread;

pub(crate) use clock::Instant;
pub(crate) use condvar::Condvar;
pub(crate) use explore::explore;
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
pub(crate) use shuttle::thread_local;
