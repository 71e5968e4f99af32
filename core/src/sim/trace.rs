//! What happened in a simulation.

use std::fmt;
use std::sync::Arc;

use crate::brain::{Time, Transition};

/// The most entries a trace keeps; beyond, only its length and digest go on.
const MOST_ENTRIES: usize = 1_000_000;

/// One change of state of one watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEntry {
    /// When, on the virtual clock.
    pub at: Time,
    /// The watcher's id.
    pub watcher: Arc<str>,
    /// The change.
    pub transition: Transition,
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.watcher, self.transition)
    }
}

/// The changes of state in a simulation, in order: the first million of them, the number of all,
/// and a digest of the text of all. Runs that did the same have equal traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    entries: Vec<TraceEntry>,
    len: u64,
    digest: u64,
}

impl Default for Trace {
    fn default() -> Self {
        // FNV-1a's offset basis (Fowler, Noll and Vo).
        Self { entries: Vec::new(), len: 0, digest: 0xCBF2_9CE4_8422_2325 }
    }
}

impl Trace {
    /// The first million changes.
    pub fn entries(&self) -> &[TraceEntry] {
        &self.entries
    }

    /// The number of all changes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has happened.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// FNV-1a over the text of all changes, a line each.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn push(&mut self, entry: TraceEntry) {
        self.len += 1;
        // Hashing a formatter cannot fail.
        let _ = fmt::write(&mut Digest(&mut self.digest), format_args!("{entry}\n"));
        if self.entries.len() < MOST_ENTRIES {
            self.entries.push(entry);
        }
    }
}

impl fmt::Display for Trace {
    /// One line for each change that is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

struct Digest<'a>(&'a mut u64);

impl fmt::Write for Digest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        Ok(())
    }
}
