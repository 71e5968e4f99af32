//! What a client has sent and nobody has read yet.

use std::io;

use super::head::{HeadScan, Scan};
use super::wire::Wire;

/// Bytes taken from the socket at once.
const PIECE: usize = 8 * 1024;

/// Received bytes, and how far the search for the end of the next head has come in them.
///
/// It holds at most one head and one piece, and nothing while the connection rests.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
    scan: HeadScan,
}

impl Input {
    /// Received and not consumed.
    pub(super) fn available(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Drops the first `count` available bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Takes one piece from the socket, however `read` gets it there.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        let count = read(&mut piece)?;
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    /// Takes what the socket has ready.
    pub(super) fn fill_from(&mut self, wire: &Wire) -> io::Result<usize> {
        self.fill(|piece| wire.try_read(piece))
    }

    /// Goes on looking for the end of a head.
    pub(super) fn scan(&mut self) -> Scan {
        self.scan.advance(&self.bytes[self.start..])
    }

    /// What [`scan`](Self::scan) will find, without looking at any byte twice unless it is found.
    pub(super) fn peek_scan(&mut self) -> Scan {
        let before = self.scan.clone();
        let found = self.scan();
        if found != Scan::Partial {
            self.scan = before;
        }
        found
    }

    /// Whether a head has begun.
    pub(super) fn head_started(&self) -> bool {
        self.scan.started()
    }

    /// Removes a head of `length` bytes, as [`scan`](Self::scan) found it.
    pub(super) fn take_head(&mut self, length: usize) -> Vec<u8> {
        let head = self.available().get(..length).unwrap_or_default().to_vec();
        self.consume(length);
        self.scan = HeadScan::default();
        head
    }

    /// Gives back the memory of a connection that rests.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
            self.start = 0;
        }
    }
}
