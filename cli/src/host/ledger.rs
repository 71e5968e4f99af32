//! Keeps what happens to programs before anything is done about it.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::parts::Parts;
use super::storage::Progress;
use super::view::Timestamp;
use crate::program::{Event, Ledger, Millis, ProgramState, Reduced};

/// Writes to the registry, and to the programs' folders what the registry is rebuilt from.
pub(super) struct HostLedger(pub(super) Arc<Parts>);

impl Ledger for HostLedger {
    fn record(
        &self,
        before: &ProgramState,
        event: &Event,
        after: &Reduced,
        now: Millis,
    ) -> Result<(), String> {
        let recorded = self.write(before, event, after, now);
        self.0.counts.happened(event, after);
        self.0.note("registry", recorded.as_ref().err().cloned());
        if let Ok(entry) = self.0.entry(&before.id) {
            entry.updated_at.store(now, Ordering::Relaxed);
        }
        if after.state.removed {
            self.0.remove_entry(&before.id);
        }
        recorded
    }

    fn applied(&self, before: &ProgramState, after: &ProgramState) {
        // The registry is the truth; a ticket that could not be laid is laid at the next opening.
        let laid = self.0.tickets.changed(before, after, Timestamp::now().0);
        self.0.note("tickets", laid.and_then(|()| self.tell_takeover(before)).err());
    }
}

impl HostLedger {
    /// A takeover that waits for this program goes on.
    fn tell_takeover(&self, program: &ProgramState) -> Result<(), String> {
        let own = self.0.entry(&program.id).ok().filter(|entry| entry.meta.takeover.is_some());
        match own.or_else(|| self.0.successor_of(&program.id)) {
            Some(successor) => self.0.tickets.redeploy(&successor.meta.program_id),
            None => Ok(()),
        }
    }

    fn write(
        &self,
        before: &ProgramState,
        event: &Event,
        after: &Reduced,
        now: Millis,
    ) -> Result<(), String> {
        let state = &after.state;
        self.0.registry.record(before, event, after, now).map_err(|error| error.to_string())?;
        let moved = (before.attempt, before.desired) != (state.attempt, state.desired);
        // The folder of one that is being removed may be gone at any moment.
        if moved && !state.desired.is_removal() {
            let progress = Progress { attempt: state.attempt, desired: state.desired };
            // The registry is the truth, and has it; the folder's note only serves where it is lost.
            let noted = self.0.storage.note_progress(&before.id, progress);
            self.0.note("folders", noted.err().map(|error| error.to_string()));
        }
        Ok(())
    }
}
