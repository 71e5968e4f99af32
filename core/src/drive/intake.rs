//! The way in for user messages: a channel with an exact bound.

use crate::brain::Time;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::channel::{Receiver, Sender, unbounded};

/// Set beside the count of accepted messages when no further one is accepted.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// A message on its way to the brain, which numbers it on arrival.
pub(crate) type Envelope = (String, Time);

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// The channel itself has no bound; the difference of two counts does. What is accepted counts until
/// it is being served, wherever it is, so whoever looks at the queue may move messages on to the brain
/// without making room for more. Closing sets a bit beside the first count, so every message is
/// either refused or accounted for, never lost between the two.
pub(crate) struct Intake {
    entrance: Apart<Entrance>,
    exit: Apart<Exit>,
    capacity: usize,
    sender: Sender<Envelope>,
    receiver: Receiver<Envelope>,
}

/// Kept a cache line away from what other threads write.
#[repr(align(128))]
struct Apart<T>(T);

/// What senders write.
struct Entrance {
    /// Messages accepted since the watcher was built.
    accepted: AtomicUsize,
    /// A number that `served` has reached: as long as it leaves room, senders need not look at the
    /// exit, whose line the loop writes with each message.
    known_served: AtomicUsize,
}

/// What the thread that holds the cell's lock writes; others read it.
struct Exit {
    /// Messages handed to the brain.
    delivered: AtomicUsize,
    /// Messages that are being served, have been, or never will be.
    served: AtomicUsize,
}

/// Adds one where no other thread writes meanwhile, without the cost of excluding others.
fn increment(count: &AtomicUsize) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
}

impl Intake {
    pub(crate) fn new(capacity: usize) -> Self {
        let (sender, receiver) = unbounded();
        let (accepted, known_served) = (AtomicUsize::new(CLOSED), AtomicUsize::new(0));
        let (delivered, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            entrance: Apart(Entrance { accepted, known_served }),
            exit: Apart(Exit { delivered, served }),
            capacity,
            sender,
            receiver,
        }
    }

    /// Begins anew with room for `capacity` messages.
    pub(crate) fn open(&self) {
        self.entrance.0.accepted.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    /// The session is over: what was accepted is accounted for, nothing waits any more.
    pub(crate) fn settle(&self) {
        let accepted = self.entrance.0.accepted.fetch_or(CLOSED, Ordering::AcqRel) & !CLOSED;
        self.exit.0.delivered.store(accepted, Ordering::Release);
        self.exit.0.served.store(accepted, Ordering::Release);
    }

    pub(crate) fn accept(&self, content: String, sent: Time) -> Result<(), (Refused, String)> {
        let accepted = &self.entrance.0.accepted;
        let claimed = accepted.fetch_update(Ordering::AcqRel, Ordering::Acquire, |accepted| {
            (accepted & CLOSED == 0 && self.has_room(accepted)).then_some(accepted + 1)
        });
        match claimed {
            // The receiver lives as long as `self`, so the channel cannot be disconnected.
            Ok(_) => self.sender.send((content, sent)).map_err(|e| (Refused::Closed, e.0.0)),
            Err(accepted) if accepted & CLOSED == 0 => Err((Refused::Full, content)),
            Err(_) => Err((Refused::Closed, content)),
        }
    }

    /// Whether there is room after so many accepted messages.
    fn has_room(&self, accepted: usize) -> bool {
        let known = &self.entrance.0.known_served;
        // Less than what is known to be served: an old number, whose claim will fail anyway.
        if accepted.saturating_sub(known.load(Ordering::Relaxed)) < self.capacity {
            return true;
        }
        let served = self.exit.0.served.load(Ordering::Acquire);
        known.store(served, Ordering::Relaxed);
        accepted.saturating_sub(served) < self.capacity
    }

    /// A message that has arrived, if there is one.
    pub(crate) fn arrived(&self) -> Option<Envelope> {
        let envelope = self.receiver.try_recv().ok()?;
        increment(&self.exit.0.delivered);
        Some(envelope)
    }

    /// Makes room for a message that comes from a journal: it was accepted when it was recorded.
    #[cfg(feature = "journal")]
    pub(crate) fn admit(&self) {
        self.entrance.0.accepted.fetch_add(1, Ordering::AcqRel);
        increment(&self.exit.0.delivered);
    }

    /// A message is now being served: there is room for another.
    pub(crate) fn served(&self) {
        increment(&self.exit.0.served);
    }

    /// Messages accepted and not yet being served.
    pub(crate) fn depth(&self) -> usize {
        // In this order the difference may be too large for a moment, never negative.
        let served = self.exit.0.served.load(Ordering::Acquire);
        let accepted = self.entrance.0.accepted.load(Ordering::Acquire) & !CLOSED;
        (accepted - served).min(self.capacity)
    }

    /// Whether a message would be accepted, or refused for good.
    pub(crate) fn would_answer(&self) -> bool {
        let accepted = self.entrance.0.accepted.load(Ordering::Acquire);
        accepted & CLOSED != 0 || self.has_room(accepted)
    }

    /// Accepts nothing more, and hands over what was accepted and is not yet in the brain. Waits for
    /// senders that have been accepted and are about to send: a few instructions.
    pub(crate) fn close(&self, mut take: impl FnMut(Envelope)) {
        let accepted = self.entrance.0.accepted.fetch_or(CLOSED, Ordering::AcqRel);
        if accepted & CLOSED != 0 {
            return;
        }
        for _ in self.exit.0.delivered.load(Ordering::Relaxed)..accepted {
            if let Ok(envelope) = self.receiver.recv() {
                increment(&self.exit.0.delivered);
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
