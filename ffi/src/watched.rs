//! What an execution sees of a watched variable.

use std::ffi::c_char;

/// A watched variable as one execution sees it. The texts are valid until the callback that asked
/// for it returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HershWatched {
    /// The current value as JSON; NULL until the first has come.
    pub json: *const c_char,
    /// The words of the last poll, if it failed, else NULL. The value is then the last good one.
    pub error: *const c_char,
    /// Whether a value has ever come.
    pub updated: bool,
    /// Whether a change of this variable triggered this execution.
    pub triggered: bool,
}

/// A timer as one execution sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HershTick {
    /// Periods since the timer was set, skipped ones included; 0 until the first has passed.
    pub count: u64,
    /// The moment for which the last tick was set, in milliseconds since the Unix epoch, or 0.
    pub unix_ms: u64,
    /// Whether a tick triggered this execution.
    pub triggered: bool,
}
