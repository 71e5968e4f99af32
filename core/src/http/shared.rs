//! What the thread at the door and the threads that serve have in common.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Handler;
use super::config::GateConfig;
use super::connection::{Connection, Next, serve};
use super::pool::Pool;
use super::refusal::Refusal;
use super::response::Response;
use super::wire::Wire;
use crate::crew::Crew;
use crate::sync::thread::Builder;

/// A client that keeps a thread waiting for longer than this, and moves fewer bytes a second than
/// [`SLOW_BYTES_PER_SECOND`], gives way when others wait for the thread.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// See [`SLOW_AFTER`].
const SLOW_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Stack of a thread that serves; a handler that needs more starts its own.
const STACK_BYTES: usize = 1024 * 1024;

/// The state of one gate.
pub(super) struct Shared {
    pub(super) config: GateConfig,
    pub(super) handler: Box<dyn Handler>,
    pub(super) pool: Pool,
    /// Places of all connections held, see [`Place`](super::connection::Place).
    pub(super) places: Arc<AtomicUsize>,
    pub(super) crew: Arc<Crew>,
    waker: Waker,
    stopping: AtomicBool,
    streams: Arc<AtomicUsize>,
    /// Connections that threads have given back; `None` once nobody takes them any more.
    returned: Mutex<Option<Vec<(Connection, Next)>>>,
    /// Sockets of the connections that threads are serving.
    active: Mutex<Vec<Arc<Wire>>>,
    door_closed: Mutex<bool>,
    door_changed: Condvar,
}

impl Shared {
    pub(super) fn new(config: GateConfig, handler: Box<dyn Handler>, waker: Waker) -> Self {
        let pool = Pool::new(config.max_threads, config.max_pending, config.thread_linger);
        Self {
            config,
            handler,
            pool,
            places: Arc::default(),
            crew: Arc::default(),
            waker,
            stopping: AtomicBool::new(false),
            streams: Arc::default(),
            returned: Mutex::new(Some(Vec::new())),
            active: Mutex::default(),
            door_closed: Mutex::new(false),
            door_changed: Condvar::new(),
        }
    }

    /// Hands a connection with a complete head to a thread; gives it back if there is no room.
    pub(super) fn submit(self: &Arc<Self>, connection: Connection) -> Result<(), Connection> {
        self.pool.submit(connection, || {
            let shared = Arc::clone(self);
            let builder = Builder::new().name("hersh-http".into());
            self.crew.spawn(builder.stack_size(STACK_BYTES), move || shared.work())
        })
    }

    /// Takes back what threads are done with.
    pub(super) fn take_returned(&self) -> Vec<(Connection, Next)> {
        lock(&self.returned).as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn work(&self) {
        self.pool.run(|mut connection| {
            let next = serve(self, &mut connection);
            if !matches!(next, Next::Close) {
                self.give_back(connection, next);
            }
        });
    }

    fn give_back(&self, connection: Connection, next: Next) {
        if let Some(returned) = lock(&self.returned).as_mut() {
            returned.push((connection, next));
            self.waker.wake();
        }
    }

    /// The answer to a request that no handler sees.
    pub(super) fn refusal(&self, refusal: Refusal) -> Response {
        let Refusal { status, reason } = refusal;
        // A renderer that panics must not take the thread at the door with it.
        let rendered = catch_unwind(AssertUnwindSafe(|| self.handler.refusal(status, reason)));
        let response = rendered.unwrap_or_else(|_| Response::error(status, reason));
        if status == 503 { response.header("Retry-After", "1") } else { response }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Asks everything to end; false if it was asked before.
    pub(super) fn begin_stop(&self) -> bool {
        let first = !self.stopping.swap(true, Ordering::AcqRel);
        self.pool.close();
        self.waker.wake();
        first
    }

    /// Cuts every connection that a thread is still serving.
    pub(super) fn sever_active(&self) {
        for wire in lock(&self.active).iter() {
            wire.sever();
        }
    }

    /// Notes that the door has closed: nothing listens and nothing is parked any more.
    pub(super) fn door_has_closed(&self) {
        let left = lock(&self.returned).take();
        drop(left);
        *lock(&self.door_closed) = true;
        self.door_changed.notify_all();
    }

    /// Waits for the door to close; false if `deadline` comes first.
    pub(super) fn door_closed_before(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let guard = lock(&self.door_closed);
        let waited = self.door_changed.wait_timeout_while(guard, left, |closed| !*closed);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Registers a connection as being served, until the guard is dropped.
    pub(super) fn enter(&self, wire: &Arc<Wire>) -> Active<'_> {
        lock(&self.active).push(Arc::clone(wire));
        Active { shared: self, wire: Arc::clone(wire) }
    }

    /// A place among the streams under way, if one is left.
    pub(super) fn permit_stream(&self) -> Option<StreamPermit> {
        let permit = StreamPermit(Arc::clone(&self.streams));
        let before = self.streams.fetch_add(1, Ordering::AcqRel);
        (before < self.config.max_streams).then_some(permit)
    }

    /// `count` others wait for a thread: as many of the slowest clients that keep one waiting give
    /// way.
    pub(super) fn shed_slowest(&self, count: usize) {
        let active = lock(&self.active);
        let slow = active.iter().filter_map(|wire| {
            let (age, rate) = wire.slowness()?;
            (age >= SLOW_AFTER && rate < SLOW_BYTES_PER_SECOND).then_some((rate, wire))
        });
        let mut slow: Vec<_> = slow.collect();
        slow.sort_by_key(|(rate, _)| *rate);
        for (_, wire) in slow.iter().take(count) {
            wire.sever();
        }
    }
}

/// A connection's entry among those being served.
pub(super) struct Active<'a> {
    shared: &'a Shared,
    wire: Arc<Wire>,
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        let mut active = lock(&self.shared.active);
        if let Some(at) = active.iter().position(|wire| Arc::ptr_eq(wire, &self.wire)) {
            active.swap_remove(at);
        }
    }
}

/// A place among the streams under way.
pub(super) struct StreamPermit(Arc<AtomicUsize>);

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Wakes the thread at the door out of poll(2).
pub(super) struct Waker {
    sender: UnixStream,
    /// Set from the first call until the thread has woken, so that one byte is in flight at most.
    rung: Arc<AtomicBool>,
}

/// The other end of a [`Waker`].
pub(super) struct Bell {
    pub(super) receiver: UnixStream,
    rung: Arc<AtomicBool>,
}

impl Waker {
    pub(super) fn pair() -> io::Result<(Self, Bell)> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let rung = Arc::new(AtomicBool::new(false));
        Ok((Self { sender, rung: Arc::clone(&rung) }, Bell { receiver, rung }))
    }

    pub(super) fn wake(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // One byte always fits: there is none in the buffer. If the other end is gone there
            // is nobody to wake.
            drop((&self.sender).write(&[1]));
        }
    }
}

impl Bell {
    /// Makes ready for the next call. Whatever was put down before it was rung is seen after this.
    pub(super) fn silence(&self) {
        let mut byte = [0; 8];
        drop((&self.receiver).read(&mut byte));
        self.rung.store(false, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
