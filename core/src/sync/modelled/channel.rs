//! Channels with the semantics of crossbeam's, as far as the runtime uses them.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub(crate) use crossbeam_channel::{
    ReadyTimeoutError, RecvError, SendError, TryRecvError, TrySendError,
};
use shuttle::sync::{Mutex, MutexGuard};

use super::clock::Instant;
use super::condvar::Condvar;
use crate::drive::lock;

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(usize::MAX)
}

/// With room for `capacity` values, which is not zero: the runtime has no channels without room.
pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0);
    channel(capacity)
}

fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let queue = VecDeque::new();
    let state = State { queue, capacity, senders: 1, receivers: 1, selects: Vec::new() };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
    selects: Vec<Arc<Bell>>,
}

/// Wakes a select, also one that is only about to wait.
struct Bell {
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait, after a change that was made under the lock.
    fn tell(&self, state: MutexGuard<'_, State<T>>) {
        let selects = state.selects.clone();
        drop(state);
        self.changed.notify_all();
        for bell in selects {
            *lock(&bell.rung) = true;
            bell.condvar.notify_all();
        }
    }
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.lock();
        if state.receivers == 0 {
            return Err(TrySendError::Disconnected(value));
        }
        if state.queue.len() >= state.capacity {
            return Err(TrySendError::Full(value));
        }
        state.queue.push_back(value);
        self.0.tell(state);
        Ok(())
    }

    pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        while state.queue.len() >= state.capacity && state.receivers > 0 {
            state = self.0.wait(state);
        }
        if state.receivers == 0 {
            return Err(SendError(value));
        }
        state.queue.push_back(value);
        self.0.tell(state);
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        self.0.tell(state);
    }
}

pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.0.lock();
        match state.queue.pop_front() {
            Some(value) => {
                self.0.tell(state);
                Ok(value)
            }
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.lock();
        loop {
            if let Some(value) = state.queue.pop_front() {
                self.0.tell(state);
                return Ok(value);
            }
            if state.senders == 0 {
                return Err(RecvError);
            }
            state = self.0.wait(state);
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.lock().receivers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receivers -= 1;
        self.0.tell(state);
    }
}

/// A receiving end whose type does not matter.
trait Selectable {
    fn is_ready(&self) -> bool;
    fn enter(&self, bell: &Arc<Bell>);
    fn leave(&self, bell: &Arc<Bell>);
}

impl<T> Selectable for Receiver<T> {
    fn is_ready(&self) -> bool {
        let state = self.0.lock();
        !state.queue.is_empty() || state.senders == 0
    }

    fn enter(&self, bell: &Arc<Bell>) {
        self.0.lock().selects.push(Arc::clone(bell));
    }

    fn leave(&self, bell: &Arc<Bell>) {
        self.0.lock().selects.retain(|known| !Arc::ptr_eq(known, bell));
    }
}

/// Waits until one of several channels is ready to be received from.
pub(crate) struct Select<'a>(Vec<&'a dyn Selectable>);

impl<'a> Select<'a> {
    pub(crate) fn new_biased() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.0.push(receiver);
        self.0.len() - 1
    }

    pub(crate) fn ready(&mut self) -> usize {
        self.wait(None).unwrap_or_else(|ReadyTimeoutError| unreachable!("there is no timeout"))
    }

    pub(crate) fn ready_timeout(&mut self, limit: Duration) -> Result<usize, ReadyTimeoutError> {
        self.wait(Instant::now().checked_add(limit))
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<usize, ReadyTimeoutError> {
        let bell = Arc::new(Bell { rung: Mutex::new(false), condvar: Condvar::new() });
        self.0.iter().for_each(|channel| channel.enter(&bell));
        let found = loop {
            if let Some(ready) = self.0.iter().position(|channel| channel.is_ready()) {
                break Ok(ready);
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break Err(ReadyTimeoutError);
            }
            let rung = lock(&bell.rung);
            let mut woken = match left {
                _ if *rung => rung,
                None => bell.condvar.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = bell.condvar.wait_timeout(rung, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            *woken = false;
        };
        self.0.iter().for_each(|channel| channel.leave(&bell));
        found
    }
}
