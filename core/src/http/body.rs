//! A request's body: read under its framing, its cap and one deadline for all of it.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::chunked::Decoder;
use super::error::BodyError;
use super::head::Framing;
use super::input::Input;
use super::wire::Wire;

/// What is read past silently, so that a connection survives a body that nobody wanted.
const MAX_UNWANTED: u64 = 64 * 1024;

/// What is still to come.
#[derive(Debug)]
enum Rest {
    Nothing,
    Length(u64),
    Chunks(Decoder),
}

/// A body in the middle of being read.
#[derive(Debug)]
pub(super) struct Body<'a> {
    wire: &'a Wire,
    input: &'a mut Input,
    rest: Rest,
    /// Bytes handed out so far.
    read: u64,
    cap: u64,
    timeout: Duration,
    write_timeout: Duration,
    /// Set by the first read.
    deadline: Option<Instant>,
    /// What the client must send in any case, if it must.
    pace: Option<Pace>,
    /// Whether the client waits to be told to send it.
    awaits_continue: bool,
    failed: Option<BodyError>,
}

/// How slowly a body may come.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// For what is not its sender's fault.
    grace: Duration,
    bytes_per_second: u32,
    /// The first read.
    begun: Option<Instant>,
}

impl Pace {
    /// Until when the next bytes must be there, after so many.
    fn due(&mut self, read: u64) -> Instant {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let earned = read.saturating_mul(1000) / u64::from(self.bytes_per_second);
        begun + self.grace + Duration::from_millis(earned)
    }
}

/// What limits one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    pub(super) cap: u64,
    pub(super) timeout: Duration,
    pub(super) write_timeout: Duration,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        wire: &'a Wire,
        input: &'a mut Input,
        framing: Framing,
        awaits_continue: bool,
        limits: BodyLimits,
    ) -> Self {
        let rest = match framing {
            Framing::None | Framing::Length(0) => Rest::Nothing,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunks(Decoder::new()),
        };
        // A client that did not wait for permission needs none.
        let awaits_continue = awaits_continue && input.is_empty();
        Self {
            wire,
            input,
            rest,
            read: 0,
            cap: limits.cap,
            timeout: limits.timeout,
            write_timeout: limits.write_timeout,
            deadline: None,
            pace: None,
            awaits_continue,
            failed: None,
        }
    }

    pub(super) fn set_cap(&mut self, bytes: u64) {
        self.cap = bytes;
    }

    pub(super) fn set_pace(&mut self, grace: Duration, bytes_per_second: u32) {
        let bytes_per_second = bytes_per_second.max(1);
        self.pace = Some(Pace { grace, bytes_per_second, begun: None });
    }

    /// Reads all of it. Memory grows with what has arrived, never with what was announced.
    pub(super) fn read_whole(&mut self) -> Result<Vec<u8>, BodyError> {
        let mut whole = Vec::new();
        let mut piece = [0; 8 * 1024];
        loop {
            match self.read_some(&mut piece)? {
                0 => return Ok(whole),
                count => whole.extend_from_slice(&piece[..count]),
            }
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.start().and_then(|deadline| self.read_piece(buffer, deadline));
        self.failed = result.err();
        result
    }

    /// The deadline; on the first call also what must be settled before the first byte.
    fn start(&mut self) -> Result<Instant, BodyError> {
        if let Some(deadline) = self.deadline {
            return Ok(deadline);
        }
        let now = Instant::now();
        let deadline = *self.deadline.insert(now + self.timeout);
        match self.rest {
            Rest::Length(length) if length > self.cap => {
                return Err(BodyError::TooLarge { limit: self.cap });
            }
            Rest::Length(_) | Rest::Chunks(_) if self.awaits_continue => {
                self.awaits_continue = false;
                self.wire
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n", now + self.write_timeout)
                    .map_err(|error| from_wire(&error))?;
            }
            Rest::Nothing | Rest::Length(_) | Rest::Chunks(_) => {}
        }
        Ok(deadline)
    }

    fn read_piece(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, BodyError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.read;
        let due = self.pace.as_mut().map(|pace| pace.due(read));
        let deadline = due.map_or(deadline, |due| due.min(deadline));
        loop {
            if matches!(self.rest, Rest::Nothing) {
                return Ok(0);
            }
            match self.take_arrived(buffer)? {
                0 if matches!(self.rest, Rest::Nothing) => return Ok(0),
                0 => {}
                count => return Ok(count),
            }
            // Asked here as well as while waiting: a client that always has one more byte ready
            // is never waited for.
            if Instant::now() >= deadline {
                return Err(BodyError::TimedOut);
            }
            let wire = self.wire;
            let count = self
                .input
                .fill(|piece| wire.read(piece, deadline))
                .map_err(|error| from_wire(&error))?;
            if count == 0 {
                return Err(BodyError::Disconnected);
            }
        }
    }

    /// Hands out what has arrived; 0 if more must arrive first or the body is over.
    fn take_arrived(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let available = self.input.available();
        let (consumed, produced, over) = match &mut self.rest {
            Rest::Nothing => (0, 0, true),
            Rest::Length(left) => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                let count = buffer.len().min(available.len()).min(wanted);
                buffer[..count].copy_from_slice(&available[..count]);
                *left -= count as u64;
                (count, count, *left == 0)
            }
            Rest::Chunks(decoder) => {
                let progress = decoder
                    .decode(available, buffer)
                    .map_err(|reason| BodyError::Malformed { reason })?;
                (progress.consumed, progress.produced, decoder.is_done())
            }
        };
        self.input.consume(consumed);
        self.read += produced as u64;
        if self.read > self.cap {
            return Err(BodyError::TooLarge { limit: self.cap });
        }
        if over {
            self.rest = Rest::Nothing;
        }
        Ok(produced)
    }

    /// Reads past what the handler left, as far as it has arrived and is little.
    ///
    /// Returns whether the connection stands at the beginning of another request.
    pub(super) fn finish(mut self) -> bool {
        if self.failed.is_some() || self.awaits_continue && !matches!(self.rest, Rest::Nothing) {
            return false;
        }
        self.cap = self.read.saturating_add(MAX_UNWANTED);
        let mut piece = [0; 4096];
        loop {
            if matches!(self.rest, Rest::Nothing) {
                return true;
            }
            match self.take_arrived(&mut piece) {
                Err(_) => return false,
                Ok(0) if matches!(self.rest, Rest::Nothing) => return true,
                Ok(0) => match self.input.fill_from(self.wire) {
                    Ok(0) | Err(_) => return false,
                    Ok(_) => {}
                },
                Ok(_) => {}
            }
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(io::Error::from)
    }
}

fn from_wire(error: &io::Error) -> BodyError {
    if error.kind() == io::ErrorKind::TimedOut {
        BodyError::TimedOut
    } else {
        BodyError::Disconnected
    }
}
