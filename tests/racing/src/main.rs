//! What a search for data races is held against before it is believed (`tests/races`). Its argument says
//! what it does with memory that nothing guards but the order of its threads:
//!
//! - `ordered`: passes it between threads by everything that orders threads here, std's and crossbeam's
//!   means and a watcher's: a sanitizer that reports any of it does not see that means, and cries wolf
//! - `unordered`, `unlocked`, `watched`: races, and what does not report each of them is blind

#![allow(unsafe_code, reason = "safe Rust has no data races to find")]

mod ordered;
mod racing;

use std::cell::UnsafeCell;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("ordered") => ordered::all(),
        Some("unordered") => racing::unordered(),
        Some("unlocked") => racing::unlocked(),
        Some("watched") => racing::watched(),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A number in memory that any thread may touch at any time.
#[derive(Default)]
struct Bare(UnsafeCell<u64>);

// SAFETY: none; whoever uses it has to order its threads, and here some do not, on purpose.
unsafe impl Sync for Bare {}

impl Bare {
    /// Reads it, and writes it.
    fn add(&self, more: u64) {
        // SAFETY: nothing but a number is there, always initialized. That threads race for it is what this
        // program is about.
        unsafe { *self.0.get() += more }
    }

    fn get(&self) -> u64 {
        // SAFETY: as in `add`.
        unsafe { *self.0.get() }
    }
}
