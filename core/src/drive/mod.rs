//! What both bodies share: the cell that holds a watcher's brain, the intake of messages, the
//! sources of watched variables, and the steps from one execution to the next.
//!
//! A body decides when time passes and which thread runs the managed function; what happens then
//! is written here once.
//!
//! The managed function runs on the thread that steps the cell, outside every lock. Lifecycle
//! events (stop, kill, deadlines) are fed by whatever thread brings them, so a function that never
//! returns can delay nobody but itself.

mod arrivals;
mod body;
mod cell;
mod intake;
#[cfg(feature = "persist")]
mod keep;
mod managed;
mod outlet;
mod schedule;
mod source;
mod stage;
mod step;
#[cfg(feature = "journal")]
mod tape;
mod watching;

pub(crate) use body::{Awaited, Body, Woken};
pub(crate) use cell::{Cell, Inner, Parts, lock};
pub(crate) use intake::Refused;
#[cfg(feature = "journal")]
pub(crate) use managed::ManagedFn;
pub(crate) use schedule::{Due, Schedule};
#[cfg(feature = "journal")]
pub(crate) use source::Decode;
pub(crate) use source::{Feed, FlowSource, Poll, Polled, Receiving, Source, take_from};
#[cfg(feature = "journal")]
pub(crate) use stage::Stage;
pub(crate) use step::Rest;
#[cfg(feature = "journal")]
pub(crate) use step::Step;
