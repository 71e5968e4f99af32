//! Connections that wait for their clients. They cost a descriptor and no thread.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::wire::Wire;

/// How long a client may take to read its last answer and close.
const LINGER: Duration = Duration::from_secs(1);
/// What a lingering client may still send before it is cut off.
const MAX_LINGER_BYTES: usize = 256 * 1024;

/// Why a connection waits. In the order in which they give way when there is no room: who has its
/// answer, who never asked anything, who rests, and last who has begun to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It has its last answer; what it still sends is thrown away, up to so many bytes more.
    Lingers { left: usize },
    /// It was accepted and has sent nothing.
    Silent,
    /// It had answers, and may ask again.
    Rests,
    /// It has sent a part of a head.
    Begun,
}

#[derive(Debug)]
struct Parked {
    connection: Connection,
    why: Why,
    since: Instant,
    deadline: Instant,
}

/// What a readable connection turned out to have.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Nothing that needs attention; it stays parked.
    Nothing,
    /// It is over.
    Over(Connection),
    /// Input to be looked at. The deadline is that of a head that had begun before, or of a new
    /// connection's first; `None` if the head begins now.
    Bytes {
        /// No longer parked.
        connection: Connection,
        /// For the whole head.
        deadline: Option<Instant>,
    },
}

/// All parked connections of a gate.
#[derive(Debug)]
pub(super) struct Parking {
    parked: Vec<Parked>,
    lingering: usize,
    max_lingering: usize,
}

impl Parking {
    pub(super) fn new(max_lingering: usize) -> Self {
        Self { parked: Vec::new(), lingering: 0, max_lingering }
    }

    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// The sockets in the order of their positions.
    pub(super) fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.parked.iter().map(|parked| &*parked.connection.wire)
    }

    /// When something will have waited for too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.parked.iter().map(|parked| parked.deadline).min()
    }

    /// Parks a connection without input: a new one, or one between two requests.
    pub(super) fn rest(&mut self, mut connection: Connection, now: Instant, deadline: Instant) {
        connection.input.release();
        let why = if connection.served == 0 { Why::Silent } else { Why::Rests };
        self.push(connection, why, now, deadline);
    }

    /// Parks a connection in the middle of a head.
    pub(super) fn begin(&mut self, connection: Connection, now: Instant, deadline: Instant) {
        self.push(connection, Why::Begun, now, deadline);
    }

    /// Parks a connection that has its last answer.
    pub(super) fn linger(&mut self, connection: Connection, now: Instant) {
        connection.wire.finish_writing();
        if self.lingering >= self.max_lingering {
            let oldest = self.oldest(|why| matches!(why, Why::Lingers { .. }));
            let Some(at) = oldest else { return };
            drop(self.take(at));
        }
        self.lingering += 1;
        self.push(connection, Why::Lingers { left: MAX_LINGER_BYTES }, now, now + LINGER);
    }

    /// Takes out the connection that can best be done without, and says whether it is owed an
    /// answer, because it had begun to ask.
    pub(super) fn evict(&mut self) -> Option<(Connection, bool)> {
        let order = |(_, parked): &(usize, &Parked)| (parked.why.rank(), parked.since);
        let victim = self.parked.iter().enumerate().min_by_key(order).map(|(at, _)| at);
        let parked = self.take(victim?);
        Some((parked.connection, parked.why == Why::Begun))
    }

    /// Takes out those whose deadline has passed, closes the ones that are owed no answer and
    /// returns the ones that are: they had begun to ask.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Connection> {
        let mut owed = Vec::new();
        for at in (0..self.parked.len()).rev() {
            if self.parked[at].deadline <= now {
                let parked = self.take(at);
                if parked.why == Why::Begun {
                    owed.push(parked.connection);
                }
            }
        }
        owed
    }

    /// Reads what has arrived at position `at`.
    pub(super) fn read(&mut self, at: usize) -> Arrival {
        let Some(parked) = self.parked.get_mut(at) else { return Arrival::Nothing };
        if let Why::Lingers { left } = &mut parked.why {
            let mut waste = [0; 8 * 1024];
            match parked.connection.wire.try_read(&mut waste) {
                Ok(count) if count > 0 && count < *left => {
                    *left -= count;
                    return Arrival::Nothing;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Arrival::Nothing;
                }
                Ok(_) | Err(_) => return Arrival::Over(self.take(at).connection),
            }
        }
        let Connection { wire, input, .. } = &mut parked.connection;
        match input.fill_from(wire) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Arrival::Nothing,
            Ok(0) | Err(_) => Arrival::Over(self.take(at).connection),
            Ok(_) => {
                let Parked { connection, why, deadline, .. } = self.take(at);
                let begins_now = why == Why::Rests;
                Arrival::Bytes { connection, deadline: (!begins_now).then_some(deadline) }
            }
        }
    }

    fn push(&mut self, connection: Connection, why: Why, since: Instant, deadline: Instant) {
        self.parked.push(Parked { connection, why, since, deadline });
    }

    fn take(&mut self, at: usize) -> Parked {
        let parked = self.parked.swap_remove(at);
        if matches!(parked.why, Why::Lingers { .. }) {
            self.lingering -= 1;
        }
        parked
    }

    fn oldest(&self, chosen: impl Fn(Why) -> bool) -> Option<usize> {
        let candidates = self.parked.iter().enumerate().filter(|(_, parked)| chosen(parked.why));
        candidates.min_by_key(|(_, parked)| parked.since).map(|(at, _)| at)
    }
}

impl Why {
    /// Who gives way first.
    fn rank(self) -> u8 {
        match self {
            Self::Lingers { .. } => 0,
            Self::Silent => 1,
            Self::Rests => 2,
            Self::Begun => 3,
        }
    }
}
