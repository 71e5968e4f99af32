//! The threads that run handlers: made when needed, ended when idle, never more than the limit.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;

thread_local! {
    /// The address of the pool that the thread belongs to, or 0. Never followed, only compared.
    static OWN_POOL: Cell<usize> = const { Cell::new(0) };
}

/// Whether the calling thread is one of `pool`'s, which must not wait for its own end.
pub(super) fn is_own_thread(pool: &Pool) -> bool {
    OWN_POOL.get() == std::ptr::from_ref(pool).addr()
}

/// Connections with a complete request, and the threads that take them.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// Told of new work and of the end.
    work: Condvar,
    /// Told of threads that left.
    ended: Condvar,
    /// Whether more requests wait than threads are free: then no thread may wait for a client
    /// that is between two requests.
    crowded: AtomicBool,
    /// Whether more threads are busy than could still be made: then none waits long for anything.
    filling: AtomicBool,
    max_threads: usize,
    max_pending: usize,
    linger: Duration,
}

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<(Instant, Connection)>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    pub(super) fn new(max_threads: usize, max_pending: usize, linger: Duration) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            ended: Condvar::new(),
            crowded: AtomicBool::new(false),
            filling: AtomicBool::new(false),
            max_threads,
            max_pending,
            linger,
        }
    }

    /// Hands a connection to a thread, now or when one is free; gives it back if there is no room.
    /// `spawn` starts a thread that calls [`Pool::run`].
    pub(super) fn submit(
        &self,
        connection: Connection,
        spawn: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Connection> {
        let mut state = self.lock();
        if state.pending.len() >= self.max_pending || state.closed {
            return Err(connection);
        }
        state.pending.push_back((Instant::now(), connection));
        if state.idle >= state.pending.len() {
            self.work.notify_one();
            return Ok(());
        }
        if state.threads < self.max_threads {
            state.threads += 1;
            self.note_threads(&state);
            drop(state);
            if spawn().is_ok() {
                return Ok(());
            }
            state = self.lock();
            state.threads -= 1;
            self.note_threads(&state);
            if state.threads == 0 {
                // Nobody is left who would ever take it.
                return match state.pending.pop_back() {
                    Some((_, connection)) => Err(connection),
                    None => Ok(()),
                };
            }
        }
        self.note_crowd(&state);
        Ok(())
    }

    /// Takes connections and runs `job` on each, until there has been no work for a while or the
    /// pool is closed. The calling thread must be one that [`Pool::submit`] asked for.
    pub(super) fn run(&self, job: impl Fn(Connection)) {
        let _leaving = Leaving(self);
        OWN_POOL.set(std::ptr::from_ref(self).addr());
        while let Some(connection) = self.next() {
            job(connection);
        }
    }

    fn next(&self) -> Option<Connection> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if let Some((_, connection)) = state.pending.pop_front() {
                self.note_crowd(&state);
                return Some(connection);
            }
            if state.closed || waited {
                return None;
            }
            state.idle += 1;
            let (guard, timeout) =
                self.work.wait_timeout(state, self.linger).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            waited = timeout.timed_out();
        }
    }

    /// Whether most of the threads that may be are there.
    pub(super) fn is_filling(&self) -> bool {
        self.filling.load(Ordering::Relaxed)
    }

    /// Whether requests wait for a thread.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// When the request that has waited longest began to wait.
    pub(super) fn oldest_pending(&self) -> Option<Instant> {
        self.lock().pending.front().map(|(since, _)| *since)
    }

    /// How many requests have waited since before `limit`.
    pub(super) fn waiting_since(&self, limit: Instant) -> usize {
        self.lock().pending.iter().take_while(|(since, _)| *since <= limit).count()
    }

    /// Takes back the requests that have waited since before `limit`.
    pub(super) fn expired(&self, limit: Instant) -> Vec<Connection> {
        let mut state = self.lock();
        let count = state.pending.iter().take_while(|(since, _)| *since <= limit).count();
        let expired = state.pending.drain(..count).map(|(_, connection)| connection).collect();
        self.note_crowd(&state);
        expired
    }

    /// Lets the threads end once nothing is pending.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Drops what nobody has taken.
    pub(super) fn abandon(&self) {
        let abandoned = std::mem::take(&mut self.lock().pending);
        drop(abandoned);
    }

    /// Waits until at most `remaining` threads are left; false if `deadline` comes first.
    pub(super) fn ended_before(&self, deadline: Instant, remaining: usize) -> bool {
        let mut state = self.lock();
        while state.threads > remaining {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn note_threads(&self, state: &State) {
        self.filling.store(state.threads * 2 > self.max_threads, Ordering::Relaxed);
    }

    fn note_crowd(&self, state: &State) {
        self.crowded.store(state.pending.len() > state.idle, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread out, however it leaves.
struct Leaving<'a>(&'a Pool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.threads -= 1;
        self.0.note_threads(&state);
        drop(state);
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::super::connection::Place;
    use super::super::wire::Wire;
    use super::*;

    fn connection(served: u32) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new(client).unwrap();
        let place = Place::take(&Arc::default());
        let mut connection = Connection::new(wire, SocketAddr::from(([127, 0, 0, 1], 1)), place);
        connection.served = served;
        connection
    }

    fn no_thread() -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    #[test]
    fn without_any_thread_a_connection_is_handed_back() {
        let pool = Pool::new(4, 4, Duration::from_secs(1));
        assert!(pool.submit(connection(7), no_thread).is_err_and(|back| back.served == 7));
        assert!(pool.oldest_pending().is_none() && !pool.is_crowded());
    }

    #[test]
    fn a_thread_that_cannot_be_made_leaves_the_work_to_those_that_are_there() {
        let pool = Arc::new(Pool::new(2, 4, Duration::ZERO));
        let (begun, begins) = mpsc::channel();
        let (release, releases) = mpsc::channel::<()>();
        let worker = Arc::clone(&pool);
        let spawn = || {
            std::thread::spawn(move || {
                worker.run(|connection| {
                    begun.send(connection.served).unwrap();
                    releases.recv().unwrap();
                });
            });
            Ok(())
        };
        assert!(pool.submit(connection(1), spawn).is_ok() && !pool.is_crowded());
        assert_eq!(begins.recv(), Ok(1));
        assert!(pool.submit(connection(2), no_thread).is_ok());
        assert!(pool.is_crowded());
        release.send(()).unwrap();
        assert_eq!(begins.recv(), Ok(2));
        assert!(!pool.is_crowded());
        release.send(()).unwrap();
        assert!(
            pool.ended_before(Instant::now() + Duration::from_secs(30), 0),
            "it lingers no time"
        );
    }

    #[test]
    fn what_waits_is_bounded_and_given_back_when_it_expires() {
        let pool = Pool::new(1, 2, Duration::ZERO);
        pool.lock().threads = 1;
        assert!(pool.submit(connection(1), no_thread).is_ok());
        assert!(pool.submit(connection(2), no_thread).is_ok());
        assert!(pool.submit(connection(3), no_thread).is_err_and(|back| back.served == 3));
        let oldest = pool.oldest_pending().unwrap();
        let before = oldest.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(pool.expired(before).is_empty() && pool.waiting_since(before) == 0);
        assert!(pool.waiting_since(Instant::now()) == 2);
        let expired: Vec<_> = pool.expired(oldest).iter().map(|c| c.served).collect();
        assert_eq!(expired.first(), Some(&1));
        pool.abandon();
        assert!(pool.oldest_pending().is_none());
    }

    #[test]
    fn a_closed_pool_takes_nothing_more() {
        let pool = Pool::new(1, 1, Duration::ZERO);
        pool.close();
        assert!(pool.submit(connection(1), || Ok(())).is_err());
    }
}
