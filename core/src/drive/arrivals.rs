//! What has arrived, messages and news of variables, on its way into the brain.

use std::sync::Arc;

use super::cell::{Cell, Inner};
use super::intake::Envelope;
#[cfg(feature = "journal")]
use crate::brain::State;
use crate::brain::{Event, Message, Time};
use crate::observe::Signal;

/// Messages that are moved to the brain at one time.
pub(super) const HANDFUL: usize = 32;

impl Cell {
    /// Moves what has arrived into the brain, in order, a handful at a time: what is served soon
    /// stays close at hand, what waits longer stays where it is.
    pub(super) fn gather(&self, inner: &mut Inner, now: Time) {
        if inner.brain.queued() > 0 {
            return;
        }
        self.move_handful(inner, now);
    }

    /// Moves at most a handful into the brain; how many there were.
    pub(super) fn move_handful(&self, inner: &mut Inner, now: Time) -> usize {
        for moved in 0..HANDFUL {
            let Some(envelope) = self.intake.arrived() else { return moved };
            self.deliver(inner, envelope, now);
        }
        HANDFUL
    }

    pub(super) fn close(&self, inner: &mut Inner) {
        let now = self.body.now();
        self.intake.close(|envelope| self.deliver(inner, envelope, now));
    }

    fn deliver(&self, inner: &mut Inner, (content, sent): Envelope, now: Time) {
        inner.messages += 1;
        let message = Arc::new(Message::new(inner.messages, content, sent));
        inner.signals.push(sent, Signal::User(Arc::clone(&message)));
        let (delivered, _) = self.think(inner, Event::Message(message), now);
        // The intake is open only while a session is live, or has just ended.
        debug_assert!(delivered.is_ok(), "a message was accepted before the first start");
    }

    /// Takes a message as it was recorded.
    #[cfg(feature = "journal")]
    pub(crate) fn receive(&self, content: String, sent: Time) {
        if self.state() == State::NotRun {
            return;
        }
        let mut inner = self.lock();
        self.intake.admit();
        self.deliver(&mut inner, (content, sent), self.body.now());
    }

    /// Feeds what variables have brought. Flows are asked only when their value would be served
    /// next, so that back-pressure reaches the sender.
    pub(super) fn gather_vars(&self, inner: &mut Inner, now: Time) {
        let flows = inner.brain.wants_vars();
        let mut arrived = std::mem::take(&mut inner.arrived);
        self.body.inputs(flows, &mut |id, input| arrived.push((id, input)));
        if arrived.is_empty() {
            inner.arrived = arrived;
            return;
        }
        let mut settled = std::mem::take(&mut inner.settled);
        for (id, input) in arrived.drain(..) {
            let brought = input.value().cloned();
            // News of a variable is known in every state.
            let _ = self.reduce(inner, Event::Var(id, input), now, None);
            let var = inner.brain.vars().get(id);
            match var.and_then(|var| Some((&var.name, var.pending.as_ref()?, brought?))) {
                Some((name, pending, value)) if pending.is(&value) => {
                    let name = Arc::clone(name);
                    inner.signals.push(now, Signal::Var { name, value });
                }
                _ if var.is_none_or(|var| var.pending.is_none()) => settled.push(id),
                _ => {}
            }
        }
        self.body.settled(&mut settled.drain(..));
        inner.arrived = arrived;
        inner.settled = settled;
    }
}
