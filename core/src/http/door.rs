//! The thread at the door: accepts, and keeps every connection that waits for its client.
//!
//! It never blocks but in poll(2), runs no handler, and writes only what a socket takes at once.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::config::GateConfig;
use super::connection::{Connection, Next, Place};
use super::head::Scan;
use super::parking::{Arrival, Parking};
use super::refusal::{self, Refusal};
use super::response::{Content, Shape};
use super::shared::{Bell, Shared};
use super::wire::{Wire, is_readable, timespec};

/// Connections accepted before the parked ones are looked at again.
const ACCEPTS_AT_ONCE: usize = 64;
/// How long nothing is accepted after the system had no descriptor or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A request that has waited so long for a thread makes a client that keeps one waiting give way.
const SHED_AFTER: Duration = Duration::from_millis(20);

/// The thread's own state.
pub(super) struct Door {
    listener: TcpListener,
    /// A descriptor held back, so that newcomers can be told 503 when the process has no other
    /// left. It is taken again as soon as there is one.
    spare: Option<TcpListener>,
    bell: Bell,
    shared: Arc<Shared>,
    parking: Parking,
    accept_again_at: Option<Instant>,
}

/// What poll(2) reported.
#[derive(Debug, Default)]
struct Ready {
    bell: bool,
    listener: bool,
    /// Positions in the parking, ascending.
    parked: Vec<usize>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, bell: Bell, shared: Arc<Shared>) -> Self {
        let spare = listener.try_clone().ok();
        let parking = Parking::new(shared.config.reserved_connections);
        Self { listener, spare, bell, shared, parking, accept_again_at: None }
    }

    /// Keeps the door until the gate is asked to stop.
    pub(super) fn keep(mut self) {
        while !self.shared.is_stopping() {
            self.take_back();
            self.expire(Instant::now());
            let timeout =
                self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
            let Ok(ready) = self.poll(timeout) else {
                // Nothing is known to be ready; to ask at once could go on for ever.
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            if ready.bell {
                self.bell.silence();
            }
            // From the last to the first, for taking one out moves the last into its place.
            for at in ready.parked.into_iter().rev() {
                self.attend(at);
            }
            if ready.listener {
                self.accept();
            }
        }
        let shared = Arc::clone(&self.shared);
        // Listener and parked connections are closed before anybody is told so.
        drop(self);
        shared.door_has_closed();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let Shared { pool, config, .. } = &*self.shared;
        let soon = Instant::now() + SHED_AFTER;
        let pending = pool.oldest_pending().map(|since| (since + config.pending_timeout).min(soon));
        [pending, self.accept_again_at, self.parking.next_deadline()].into_iter().flatten().min()
    }

    fn poll(&self, timeout: Option<Duration>) -> io::Result<Ready> {
        let mut fds = Vec::with_capacity(2 + self.parking.len());
        fds.push(PollFd::new(&self.bell.receiver, PollFlags::IN));
        let listens =
            if self.accept_again_at.is_none() { PollFlags::IN } else { PollFlags::empty() };
        fds.push(PollFd::new(&self.listener, listens));
        fds.extend(self.parking.wires().map(|wire| PollFd::new(wire, PollFlags::IN)));
        match poll(&mut fds, timeout.map(timespec).as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let mut reported = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(Ready {
            bell: reported.next().unwrap_or_default(),
            listener: reported.next().unwrap_or_default() && self.accept_again_at.is_none(),
            parked: reported.enumerate().filter_map(|(at, ready)| ready.then_some(at)).collect(),
        })
    }

    /// Parks what threads have given back.
    fn take_back(&mut self) {
        let GateConfig { idle_timeout, head_timeout, .. } = self.shared.config;
        for (connection, next) in self.shared.take_returned() {
            let now = Instant::now();
            match next {
                Next::Close => {}
                Next::Linger => self.parking.linger(connection, now),
                // What has arrived already may be a whole head, which no poll would report.
                Next::Park if connection.input.is_empty() => {
                    self.parking.rest(connection, now, now + idle_timeout);
                }
                Next::Park => self.look(connection, now, now + head_timeout),
            }
        }
    }

    /// Takes what has arrived on a parked connection.
    fn attend(&mut self, at: usize) {
        let now = Instant::now();
        match self.parking.read(at) {
            Arrival::Nothing => {}
            Arrival::Over(connection) => drop(connection),
            Arrival::Bytes { connection, deadline } => {
                let deadline = deadline.unwrap_or(now + self.shared.config.head_timeout);
                self.look(connection, now, deadline);
            }
        }
    }

    /// Sends a connection to where its input says it belongs.
    fn look(&mut self, mut connection: Connection, now: Instant, deadline: Instant) {
        let too_large = connection.input.available().len() > self.shared.config.max_head_bytes;
        match connection.input.peek_scan() {
            Scan::Complete(_) => self.dispatch(connection),
            Scan::Bad(reason) => self.refuse(connection, Refusal::bad(reason)),
            Scan::Partial if too_large => self.refuse(connection, refusal::LARGE_HEAD),
            Scan::Partial => self.parking.begin(connection, now, deadline),
        }
    }

    fn dispatch(&mut self, connection: Connection) {
        if let Err(connection) = self.shared.submit(connection) {
            self.refuse(connection, refusal::FULL);
        }
    }

    /// Ends what has waited for too long.
    fn expire(&mut self, now: Instant) {
        if self.accept_again_at.is_some_and(|at| at <= now) {
            self.accept_again_at = None;
        }
        hold(&mut self.spare, &self.listener);
        let patient = now.checked_sub(SHED_AFTER);
        let waiting = patient.map_or(0, |since| self.shared.pool.waiting_since(since));
        if waiting > 0 {
            self.shared.shed_slowest(waiting);
        }
        if let Some(limit) = now.checked_sub(self.shared.config.pending_timeout) {
            for connection in self.shared.pool.expired(limit) {
                self.refuse(connection, refusal::FULL);
            }
        }
        for connection in self.parking.expired(now) {
            self.refuse(connection, refusal::SLOW_HEAD);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_AT_ONCE {
            match self.listener.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if concerns_one_client(&error) => {}
                // Without a descriptor the system says so even if nobody is at the door.
                Err(_) if !is_readable(&self.listener) => return,
                // Without a descriptor or memory. Whoever rests gives way; else the descriptor
                // held back is used to turn the newcomer away; else there is a pause.
                Err(_) => {
                    if !self.make_room() && self.spare.take().is_none() {
                        self.accept_again_at = Some(Instant::now() + ACCEPT_PAUSE);
                        return;
                    }
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let Ok(wire) = Wire::new(stream) else { return };
        let GateConfig { max_connections, head_timeout, .. } = self.shared.config;
        let full =
            self.shared.places.load(Ordering::Relaxed) >= max_connections && !self.make_room();
        // Without a spare this was the last descriptor, which is not to be kept busy.
        let full = full || !hold(&mut self.spare, &self.listener);
        let connection = Connection::new(wire, peer, Place::take(&self.shared.places));
        if full {
            self.refuse(connection, refusal::FULL);
        } else {
            let now = Instant::now();
            self.parking.rest(connection, now, now + head_timeout);
        }
    }

    /// Closes the connection that can best be done without; false if there is none.
    fn make_room(&mut self) -> bool {
        let evicted = self.parking.evict();
        if let Some((connection, true)) = &evicted {
            self.say(&connection.wire, refusal::FULL);
        }
        evicted.is_some()
    }

    /// Answers without a thread, with what the socket takes at once, and lets the client go.
    fn refuse(&mut self, connection: Connection, refusal: Refusal) {
        if self.say(&connection.wire, refusal) {
            self.parking.linger(connection, Instant::now());
        }
    }

    /// Writes an answer that fits into a socket's empty buffer; false if it did not.
    fn say(&self, wire: &Wire, refusal: Refusal) -> bool {
        let shape = Shape { minor_version: 1, head_only: false, close: true };
        let Ok((mut bytes, content)) = self.shared.refusal(refusal).into_parts(shape) else {
            return false;
        };
        if let Content::Bytes(body) = content {
            bytes.extend_from_slice(&body);
        }
        wire.try_write(&bytes).is_ok_and(|count| count == bytes.len())
    }
}

/// Sees to it that a descriptor is held back; false if there is none.
fn hold(spare: &mut Option<TcpListener>, listener: &TcpListener) -> bool {
    if spare.is_none() {
        *spare = listener.try_clone().ok();
    }
    spare.is_some()
}

/// Whether a failed accept tells of one connection that died in the queue, and nothing of the
/// next.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::PermissionDenied
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    )
}
