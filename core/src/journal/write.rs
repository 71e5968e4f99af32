//! Writing a journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;

use super::entry::{Header, Line};
use super::error::JournalError;
use super::{Journal, digest, read};

/// Appends the lines of one run.
pub(crate) struct Recorder {
    journal: Journal,
    header: Header,
    file: BufWriter<File>,
    written: u64,
}

impl Recorder {
    /// Begins a journal. One that stands in its place is set aside; a file that is no journal is
    /// left as it is.
    pub(crate) fn begin(journal: &Journal, header: Header) -> Result<Self, JournalError> {
        match fs::metadata(&journal.path) {
            Ok(found) if found.len() > 0 => {
                read::header(&journal.path)?;
                set_aside(journal)?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(failed(journal, source)),
        }
        let file = create(journal)?;
        let mut recorder = Self { journal: journal.clone(), header, file, written: 0 };
        recorder.describe()?;
        Ok(recorder)
    }

    fn describe(&mut self) -> Result<(), JournalError> {
        let header = self.header.clone();
        self.append(&header)?;
        self.flush()
    }

    /// Appends lines and hands them to the operating system: they survive the process, and what the
    /// machine has flushed survives the machine.
    pub(crate) fn record(&mut self, lines: &[Line]) -> Result<(), JournalError> {
        for line in lines {
            self.append(line)?;
        }
        self.flush()?;
        if self.written >= self.journal.max_bytes {
            set_aside(&self.journal)?;
            self.header.part += 1;
            self.file = create(&self.journal)?;
            self.written = 0;
            self.describe()?;
        }
        Ok(())
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), JournalError> {
        let json =
            serde_json::to_string(line).map_err(|error| failed(&self.journal, error.into()))?;
        let text = format!("{:08x} {json}\n", digest::of(json.as_bytes()));
        self.written += text.len() as u64;
        self.file.write_all(text.as_bytes()).map_err(|error| failed(&self.journal, error))
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.file.flush().map_err(|error| failed(&self.journal, error))
    }
}

fn create(journal: &Journal) -> Result<BufWriter<File>, JournalError> {
    let file = OpenOptions::new().create(true).append(true).open(&journal.path);
    file.map(BufWriter::new).map_err(|error| failed(journal, error))
}

/// Moves each file one step further from its place; the oldest is removed.
fn set_aside(journal: &Journal) -> Result<(), JournalError> {
    let tolerate_absence = |result: io::Result<()>| match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(journal, error)),
        _ => Ok(()),
    };
    tolerate_absence(fs::remove_file(journal.aside(journal.keep)))?;
    for age in (0..journal.keep).rev() {
        tolerate_absence(fs::rename(journal.aside(age), journal.aside(age + 1)))?;
    }
    Ok(())
}

fn failed(journal: &Journal, source: io::Error) -> JournalError {
    JournalError::Io { action: "write", path: journal.path.clone(), source }
}
