//! Workers in processes of their own, which are killed, stopped and starved, over stores that are to
//! outlive them.

mod child;
#[cfg(feature = "kharon-sqlite")]
mod faults;
#[cfg(feature = "kharon-sqlite")]
mod full;
mod jumps;
mod ledger;
mod place;
pub(crate) mod stepped;
mod stopped;
mod storm;
