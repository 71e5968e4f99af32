//! Recording what is fed to the brain, if asked to.

use super::cell::{Cell, lock};
use crate::brain::{Event, Time, Transition, Value, Vars};
use crate::journal::{
    Entry, FORMAT, Header, JournalError, Line, Recorded, Recorder, Settings, VERSION,
};

/// Lines on their way to the journal, in the order in which the brain took them. They are written
/// without the cell's lock, at the end of the step or call that brought them.
#[derive(Default)]
pub(crate) struct Tape {
    running: bool,
    lines: Vec<Line>,
}

/// Where an event has been noted, and whether it matters only by what comes of it.
#[derive(Clone, Copy)]
pub(super) struct Note {
    place: usize,
    idle: bool,
}

impl Tape {
    /// Notes an event, before the brain takes it.
    pub(super) fn note(&mut self, event: &Event, vars: &Vars, at: Time) -> Option<Note> {
        if !self.running {
            return None;
        }
        let what = Entry::of(event, vars)?;
        let note = Note { place: self.lines.len(), idle: what.is_idle() };
        self.lines.push(Line { at: at.as_nanos(), what });
        Some(note)
    }

    /// Records a change of state.
    pub(super) fn record(&mut self, at: Time, transition: &Transition) {
        if self.running {
            self.lines.push(Line { at: at.as_nanos(), what: Entry::of_transition(transition) });
        }
    }

    /// Keeps a note if the event was taken, and if it matters: nothing else came of the others.
    pub(super) fn settle(&mut self, note: Option<Note>, taken: bool, came: bool) {
        if let Some(Note { place, idle }) = note
            && !(taken && (came || !idle))
        {
            self.lines.truncate(place);
        }
    }

    /// Adds the restored values to the beginning of the session that has just been recorded.
    pub(super) fn started_with(&mut self, restored: &[(String, Value)]) {
        let start = self.lines.iter_mut().rev().find_map(|line| match &mut line.what {
            Entry::Start { values, .. } => Some(values),
            _ => None,
        });
        if let Some(values) = start {
            let live =
                |(key, value): &(String, Value)| (key.clone(), Recorded::Live(value.clone()));
            values.extend(restored.iter().map(live));
        }
    }
}

impl Cell {
    /// Begins the journal with the first session; it goes on through all that follow.
    pub(crate) fn begin_journal(&self) -> Result<(), JournalError> {
        let mut recorder = lock(&self.recorder);
        let Some(journal) = self.config.journal.as_ref().filter(|_| recorder.is_none()) else {
            return Ok(());
        };
        let origin = self.body.wall(Time::ZERO).duration_since(std::time::UNIX_EPOCH);
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            run: crate::watcher::random(),
            part: 0,
            watcher: self.id.to_string(),
            name: Some(self.name.to_string()),
            seed: self.seed,
            epoch_ns: origin.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
            config: Settings::of(&self.config),
        };
        *recorder = Some(Recorder::begin(journal, header)?);
        self.lock().tape.running = true;
        Ok(())
    }

    /// Writes what has been recorded. When that fails, recording ends: the watcher goes on, and its
    /// log says so.
    pub(crate) fn write_tape(&self) {
        if self.config.journal.is_none() {
            return;
        }
        let mut recorder = lock(&self.recorder);
        let Some(writer) = recorder.as_mut() else { return };
        let lines = std::mem::take(&mut self.lock().tape.lines);
        if let (false, Err(error)) = (lines.is_empty(), writer.record(&lines)) {
            *recorder = None;
            let mut inner = self.lock();
            inner.tape = Tape::default();
            self.log(&mut inner, &format!("no longer recorded: {error}"));
        }
    }
}
