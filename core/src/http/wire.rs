//! One client's socket: never blocking, waited for with poll(2) up to an absolute deadline.
//!
//! A timeout for each read would let a client that sends a byte now and then hold on for ever. An
//! absolute deadline, waited for anew before every read, cannot be extended by dribbling.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A socket and the measure of how slow its client is.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    opened: Instant,
    /// Milliseconds after `opened`, plus one, since which a thread waits for the client; 0 while
    /// none does.
    waiting_since: AtomicU64,
    /// Milliseconds that were waited in the present transfer before that.
    waited: AtomicU64,
    /// Bytes that moved in the present transfer.
    moved: AtomicU64,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // Answers are written whole: waiting to fill a packet would only delay them.
        stream.set_nodelay(true)?;
        let zero = || AtomicU64::new(0);
        let opened = Instant::now();
        Ok(Self { stream, opened, waiting_since: zero(), waited: zero(), moved: zero() })
    }

    /// Reads what is there; `WouldBlock` if nothing is.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retried(|| (&self.stream).read(buffer))
    }

    /// Writes what fits into the socket's buffer.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        retried(|| (&self.stream).write(bytes))
    }

    /// Waits for bytes until `deadline` and reads them; `Ok(0)` is the end of the stream.
    pub(super) fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::IN, deadline)?;
                }
                Ok(count) => {
                    self.note(count);
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes everything, unless `deadline` passes first.
    pub(super) fn write_all(&self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, deadline)?;
                }
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.note(count);
                    bytes = &bytes[count..];
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether bytes, or the end of the stream, arrive before `deadline`.
    pub(super) fn readable_before(&self, deadline: Instant) -> io::Result<bool> {
        wait_for(&self.stream, PollFlags::IN, deadline)
    }

    /// Whether the client has closed its side, found out within `patience`.
    pub(super) fn hung_up(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        wait_for(&self.stream, HANGUP, deadline).unwrap_or(true)
    }

    /// Says that nothing more will be written, so that the client sees the end of the answer.
    pub(super) fn finish_writing(&self) {
        // A socket that is already gone needs no ending.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Ends every transfer on this socket, whichever thread waits in it.
    pub(super) fn sever(&self) {
        drop(self.stream.shutdown(Shutdown::Both));
    }

    /// Begins a new transfer: what earlier ones took does not count.
    pub(super) fn reset_measure(&self) {
        self.waited.store(0, Ordering::Relaxed);
        self.moved.store(0, Ordering::Relaxed);
    }

    /// If a thread waits for the client: how long the present transfer has made it wait in all,
    /// and how many bytes it moved for every second of that.
    pub(super) fn slowness(&self) -> Option<(Duration, u64)> {
        let since = self.waiting_since.load(Ordering::Relaxed).checked_sub(1)?;
        let waited = self.now().saturating_sub(since) + self.waited.load(Ordering::Relaxed);
        let rate = self.moved.load(Ordering::Relaxed).saturating_mul(1000) / waited.max(1);
        Some((Duration::from_millis(waited), rate))
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> io::Result<()> {
        // Even a socket that is ready again comes too late after the deadline.
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let began = self.now();
        self.waiting_since.store(began + 1, Ordering::Relaxed);
        let ready = wait_for(&self.stream, flags, deadline);
        self.waiting_since.store(0, Ordering::Relaxed);
        self.waited.fetch_add(self.now() - began, Ordering::Relaxed);
        if ready? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    fn note(&self, count: usize) {
        self.moved.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// What poll(2) reports when the other side has closed, where the system can tell.
#[cfg(target_os = "linux")]
const HANGUP: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const HANGUP: PollFlags = PollFlags::empty();

/// Waits until one of `flags`, an error or a hang-up is reported; false if `deadline` came first.
fn wait_for(socket: &impl AsFd, flags: PollFlags, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(socket, flags)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) if left.is_zero() => return Ok(false),
            // The wait may end a moment early; the loop asks the clock.
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a read, or an accept, would find something now.
pub(super) fn is_readable(socket: &impl AsFd) -> bool {
    wait_for(socket, PollFlags::IN, Instant::now()).unwrap_or(true)
}

/// A duration as poll(2) wants it.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
}

/// Does it again when a signal came between.
fn retried(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
