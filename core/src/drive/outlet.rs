//! Where the brain's output goes.

use super::cell::Cell;
#[cfg(feature = "journal")]
use super::tape::Tape;
use crate::brain::{Effect, Output, Record, Time};
use crate::observe::Logs;

/// Sends what is to be remembered to the logs at once, and keeps what is to be done until the brain
/// has finished.
pub(super) struct Outlet<'a> {
    pub(super) cell: &'a Cell,
    pub(super) now: Time,
    pub(super) logs: &'a mut Logs,
    pub(super) effects: &'a mut Vec<Effect>,
    #[cfg(feature = "journal")]
    pub(super) tape: &'a mut Tape,
    /// Whether there was anything to remember.
    pub(super) recorded: bool,
}

impl Output for Outlet<'_> {
    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    #[expect(clippy::inline_always, reason = "each caller records one kind of record")]
    #[inline(always)]
    fn record(&mut self, record: Record) {
        if let Record::Transition(transition) = &record {
            #[cfg(feature = "journal")]
            self.tape.record(self.now, transition);
            self.cell.body.observe(&self.cell.id, self.now, transition);
        }
        self.logs.record(self.now, record);
        self.recorded = true;
    }
}
