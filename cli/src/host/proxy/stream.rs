//! The bodies of answers, which may have no end in sight.
//!
//! The gate wants to hear from a source about once a second, so that it can see whether its client
//! is still there; a program may be silent for hours, or send a byte an hour of a body it announced
//! as short. So a thread reads from the program, and whoever waits for it can stop waiting. There
//! are at most as many as the gate has requests and streams under way.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use ureq::Agent;

const PIECE_BYTES: usize = 16 * 1024;
// Read ahead of the client; beyond it the program waits.
const PIECES_AHEAD: usize = 4;
// The gate's rhythm.
const SAY_SOMETHING: Duration = Duration::from_secs(1);

/// The rest of an answer, read ahead by a thread. Dropping it cuts the program's connection, which
/// ends the thread.
pub(super) struct Pumped {
    pieces: Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
    agent: Option<Agent>,
}

impl Pumped {
    /// Begins to read. `agent` is the one the answer came from, and serves nothing else.
    pub(super) fn start(mut source: impl Read + Send + 'static, agent: Agent) -> io::Result<Self> {
        let (sender, pieces) = bounded(PIECES_AHEAD);
        std::thread::Builder::new().name("hersh-proxy".to_owned()).spawn(move || {
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = match source.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    other => other,
                };
                let last = !matches!(read, Ok(1..));
                let piece = read.map(|count| {
                    piece.truncate(count);
                    piece
                });
                if sender.send(piece).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, current: io::Cursor::default(), agent: Some(agent) })
    }

    /// All of it, which must be here within `limit`.
    pub(super) fn read_whole(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let mut whole = Vec::new();
        loop {
            match self.pieces.recv_deadline(deadline) {
                Ok(piece) => match piece? {
                    end if end.is_empty() => return Ok(whole),
                    mut piece => whole.append(&mut piece),
                },
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

impl Read for Pumped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.current.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        match self.pieces.recv_timeout(SAY_SOMETHING) {
            // An empty piece is the end.
            Ok(piece) => {
                self.current = io::Cursor::new(piece?);
                self.current.read(buffer)
            }
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => Ok(0),
        }
    }
}

impl Drop for Pumped {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}
