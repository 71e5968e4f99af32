//! What every store must do, as checks that the author of a store can run.
//!
//! Implement [`Subject`] for a store, and run [`run_all`] in a test, or each of [`checks`] by
//! itself. A check that does not hold panics and says what it expected.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use hersh::kharon::{Store, VirtualClock};
//! use hersh::kharon::conformance::{Subject, run_all};
//!
//! # struct MyStore; impl MyStore { fn empty(clock: Arc<VirtualClock>) -> Arc<dyn Store> { todo!() } }
//! #[derive(Default)]
//! struct Mine(Arc<VirtualClock>);
//!
//! impl Subject for Mine {
//!     fn fresh(&self) -> Arc<dyn Store> {
//!         MyStore::empty(Arc::clone(&self.0))
//!     }
//!     fn pass(&self, _store: &dyn Store, time: Duration) {
//!         self.0.advance(time);
//!     }
//! }
//!
//! run_all(&Mine::default());
//! ```
//!
//! The example `tickets_own_store` is a whole store outside the library, held to this suite by a test.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a check that does not hold panics, and that is what it is for"
)]

mod adding;
mod claiming;
mod desk;
mod ending;
mod grouping;
mod looking;
mod repeating;
mod settling;
mod together;

use std::sync::Arc;
use std::time::Duration;

use super::store::Store;
use desk::Desk;

/// A store to be checked.
pub trait Subject {
    /// A new store without tickets, whose clock goes on only as [`pass`](Self::pass) says, or by
    /// itself.
    fn fresh(&self) -> Arc<dyn Store>;

    /// Lets so much time pass on the clock of a store: moves a clock that can be moved, or waits.
    fn pass(&self, store: &dyn Store, time: Duration);

    /// The time that checks reckon in: a second for a clock that can be moved; for one that
    /// cannot, as long as a dozen calls surely take, since the checks wait for some hundreds of
    /// these altogether.
    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// One thing that every store must do.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What it is, as the name of a function.
    pub name: &'static str,
    run: fn(&Desk<'_>),
}

impl Check {
    /// Checks it on a fresh store.
    pub fn run(&self, subject: &dyn Subject) {
        (self.run)(&Desk::new(subject));
    }
}

/// Everything that every store must do.
pub fn checks() -> Vec<Check> {
    [
        adding::CHECKS,
        claiming::CHECKS,
        settling::CHECKS,
        ending::CHECKS,
        grouping::CHECKS,
        repeating::CHECKS,
        looking::CHECKS,
        together::CHECKS,
    ]
    .concat()
}

/// Runs every check, each on a fresh store.
pub fn run_all(subject: &dyn Subject) {
    for check in checks() {
        check.run(subject);
    }
}

/// Names functions as checks.
macro_rules! list_checks {
    ($($name:ident),* $(,)?) => {
        pub(super) const CHECKS: &[$crate::kharon::conformance::Check] =
            &[$($crate::kharon::conformance::Check { name: stringify!($name), run: $name }),*];
    };
}
use list_checks;
