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
    /// Milliseconds after `opened`, plus one, at which the present transfer first had to wait for
    /// the client; 0 while it never had to.
    waiting_since: AtomicU64,
    /// Bytes moved in the present transfer since then.
    moved: AtomicU64,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // Answers are written whole: waiting to fill a packet would only delay them.
        stream.set_nodelay(true)?;
        let opened = Instant::now();
        Ok(Self { stream, opened, waiting_since: AtomicU64::new(0), moved: AtomicU64::new(0) })
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
        // A load is cheaper than a store that other threads' caches must hear of.
        if self.waiting_since.load(Ordering::Relaxed) != 0 {
            self.waiting_since.store(0, Ordering::Relaxed);
            self.moved.store(0, Ordering::Relaxed);
        }
    }

    /// How long the present transfer has been under way since it first had to wait for the
    /// client, and how many bytes a second it made; `None` while it never had to wait.
    pub(super) fn slowness(&self) -> Option<(Duration, u64)> {
        let since = self.waiting_since.load(Ordering::Relaxed).checked_sub(1)?;
        let age = self.opened.elapsed().saturating_sub(Duration::from_millis(since));
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX).max(1);
        Some((age, self.moved.load(Ordering::Relaxed).saturating_mul(1000) / millis))
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> io::Result<()> {
        if self.waiting_since.load(Ordering::Relaxed) == 0 {
            let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
            self.waiting_since.store(now + 1, Ordering::Relaxed);
        }
        if wait_for(&self.stream, flags, deadline)? {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    fn note(&self, count: usize) {
        if self.waiting_since.load(Ordering::Relaxed) != 0 {
            self.moved.fetch_add(count as u64, Ordering::Relaxed);
        }
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
