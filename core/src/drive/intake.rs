//! The way in for user messages: a channel with an exact bound.

use crate::brain::Time;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::channel::{Receiver, Sender, unbounded};

/// Set in the depth when no further message is accepted.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// A message on its way to the brain, which numbers it on arrival.
pub(crate) type Envelope = (String, Time);

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// The channel itself has no bound; `depth` does. It counts messages that are accepted and not yet
/// being served, wherever they are, so whoever looks at the queue may move them on to the brain
/// without making room for more. Closing sets a bit in the same number, so every message is either
/// refused or accounted for, never lost between the two.
pub(crate) struct Intake {
    depth: AtomicUsize,
    /// The part of `depth` that has been handed to the brain. Changed under the cell's lock only.
    delivered: AtomicUsize,
    capacity: usize,
    sender: Sender<Envelope>,
    receiver: Receiver<Envelope>,
}

impl Intake {
    pub(crate) fn new(capacity: usize) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            depth: AtomicUsize::new(CLOSED),
            delivered: AtomicUsize::new(0),
            capacity,
            sender,
            receiver,
        }
    }

    /// Begins anew with room for `capacity` messages.
    pub(crate) fn open(&self) {
        self.delivered.store(0, Ordering::Relaxed);
        self.depth.store(0, Ordering::Release);
    }

    /// The session is over: what was accepted is accounted for, nothing waits any more.
    pub(crate) fn settle(&self) {
        self.depth.store(CLOSED, Ordering::Release);
    }

    pub(crate) fn accept(&self, content: String, sent: Time) -> Result<(), (Refused, String)> {
        let claimed = self.depth.fetch_update(Ordering::AcqRel, Ordering::Acquire, |depth| {
            (depth & CLOSED == 0 && depth < self.capacity).then_some(depth + 1)
        });
        match claimed {
            // The receiver lives as long as `self`, so the channel cannot be disconnected.
            Ok(_) => self.sender.send((content, sent)).map_err(|e| (Refused::Closed, e.0.0)),
            Err(depth) if depth & CLOSED == 0 => Err((Refused::Full, content)),
            Err(_) => Err((Refused::Closed, content)),
        }
    }

    /// A message that has arrived, if there is one.
    pub(crate) fn arrived(&self) -> Option<Envelope> {
        let envelope = self.receiver.try_recv().ok()?;
        self.delivered.fetch_add(1, Ordering::Relaxed);
        Some(envelope)
    }

    /// Makes room for a message that comes from a journal: it was accepted when it was recorded.
    #[cfg(feature = "journal")]
    pub(crate) fn admit(&self) {
        self.depth.fetch_add(1, Ordering::AcqRel);
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// A message is now being served: there is room for another.
    pub(crate) fn served(&self) {
        self.delivered.fetch_sub(1, Ordering::Relaxed);
        self.depth.fetch_sub(1, Ordering::AcqRel);
    }

    /// Messages accepted and not yet being served.
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire) & !CLOSED
    }

    /// Whether a message would be accepted, or refused for good.
    pub(crate) fn would_answer(&self) -> bool {
        let depth = self.depth.load(Ordering::Acquire);
        depth & CLOSED != 0 || depth < self.capacity
    }

    /// Accepts nothing more, and hands over what was accepted and is not yet in the brain. Waits for
    /// senders that have been accepted and are about to send: a few instructions.
    pub(crate) fn close(&self, mut take: impl FnMut(Envelope)) {
        if self.depth.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED != 0 {
            return;
        }
        for _ in self.delivered.load(Ordering::Relaxed)..self.depth() {
            if let Ok(envelope) = self.receiver.recv() {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                take(envelope);
            }
        }
    }

    /// For a select loop: ready when a message has arrived.
    pub(crate) const fn receiver(&self) -> &Receiver<Envelope> {
        &self.receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_exact_and_moves_with_what_is_served() {
        let intake = Intake::new(2);
        let send = |content: &str| intake.accept(content.to_owned(), Time::ZERO).map_err(|e| e.0);
        assert_eq!(send("early"), Err(Refused::Closed));
        intake.open();
        assert_eq!((send("a"), send("b"), send("c")), (Ok(()), Ok(()), Err(Refused::Full)));
        assert_eq!(intake.arrived().map(|envelope| envelope.0).as_deref(), Some("a"));
        assert_eq!(send("c"), Err(Refused::Full), "looking makes no room");
        intake.served();
        assert_eq!(send("c"), Ok(()));
    }

    #[test]
    fn closing_hands_over_all_that_was_accepted() {
        let intake = Intake::new(100);
        intake.open();
        let accepted = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..50).filter(|n| intake.accept(n.to_string(), Time::ZERO).is_ok()).count()
                    })
                })
                .collect();
            let mut taken = 0;
            intake.close(|_| taken += 1);
            let accepted: usize = senders.into_iter().map(|s| s.join().expect("no panic")).sum();
            assert_eq!(taken, accepted);
            accepted
        });
        assert_eq!(intake.depth(), accepted);
    }
}
