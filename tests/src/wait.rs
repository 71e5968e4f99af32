//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails: far more than a busy machine needs.
pub const BOUND: Duration = Duration::from_secs(90);

/// Asks `condition` until it gives a value, and returns that.
///
/// # Panics
/// With `what` and the last refusal, when [`BOUND`] has passed.
pub fn until<T, E: Display>(what: &str, mut condition: impl FnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(refusal) if Instant::now() >= end => {
                panic!("waited {BOUND:?} for {what}; at last: {refusal}")
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
