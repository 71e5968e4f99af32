//! What users of the library can rely on, one module a subject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "api")]
mod api;
#[cfg(feature = "sim")]
mod costs;
#[cfg(feature = "sim")]
mod destructors;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(feature = "api")]
mod gate;
#[cfg(all(feature = "journal", feature = "sim"))]
mod journal;
#[cfg(feature = "kharon")]
mod kharon;
#[cfg(all(unix, any(feature = "kharon-postgres", feature = "kharon-sqlite")))]
mod killing;
#[cfg(feature = "sim")]
mod lifecycle;
#[cfg(all(feature = "persist", feature = "sim"))]
mod persisting;
#[cfg(feature = "kharon-postgres")]
mod postgres;
#[cfg(all(unix, feature = "signals"))]
mod process;
#[cfg(all(feature = "journal", feature = "persist"))]
mod rehearsal;
mod scale;
mod threads;
#[cfg(feature = "sim")]
mod watching;
