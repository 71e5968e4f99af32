//! A build's log, as it grows.
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::parts::Parts;
use crate::program::{Attempt, ProgramId, State, Supervisor};

/// How long to wait for more.
const PAUSE: Duration = Duration::from_millis(100);
/// How often in one read.
const PAUSES: u32 = 5;

/// Reads a build's log from its beginning, and what follows until the build is over.
pub(super) struct BuildLog {
    pub(super) parts: Arc<Parts>,
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) id: ProgramId,
    pub(super) attempt: Attempt,
    pub(super) path: PathBuf,
    pub(super) file: Option<File>,
}

impl BuildLog {
    fn is_over(&self) -> bool {
        self.supervisor
            .state(&self.id)
            .is_none_or(|state| state.attempt != self.attempt || state.state != State::Building)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                // It waits for its turn.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}

impl Read for BuildLog {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..PAUSES {
            // Asked before reading: what was written before the end is then read after it.
            let over = self.is_over();
            let count = self.try_read(buffer)?;
            if count > 0 || over || self.parts.closing.wait(PAUSE) {
                return Ok(count);
            }
        }
        // Whoever reads looks whether anybody still listens, and comes back.
        Err(io::ErrorKind::TimedOut.into())
    }
}
