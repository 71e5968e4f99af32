//! What a cell does for those who look at it: it shows what waits, and says when there is news.

#[cfg(feature = "api")]
use std::time::Duration;

use super::arrivals::HANDFUL;
use super::cell::{Cell, Inner};
use crate::brain::{Cause, Event, Time, Value};
#[cfg(feature = "api")]
use crate::observe::News;
use crate::observe::Signal;

impl Cell {
    /// The newest signals, also those that still wait, oldest first.
    ///
    /// What waits in the intake cannot be seen there. It is handed to the brain, where it goes on
    /// to wait, in the same order and without making room for more; a handful at a time, so that
    /// the loop need not wait for the whole of it.
    pub(crate) fn signals(&self) -> Vec<(Time, Signal)> {
        let mut left = self.intake.depth();
        let mut inner = self.lock();
        while left > 0 {
            let now = self.body.now();
            let moved = self.move_handful(&mut inner, now);
            if moved > 0 {
                // The loop may be waiting for just these.
                self.body.wake();
            }
            left = if moved < HANDFUL { 0 } else { left.saturating_sub(moved) };
            drop(inner);
            inner = self.lock();
        }
        let newest = inner.signals.newest();
        drop(inner);
        #[cfg(feature = "journal")]
        self.write_tape();
        newest
    }

    /// Every value that is kept here, as often as it is.
    pub(crate) fn kept_values(&self) -> Vec<Value> {
        let mut kept: Vec<Value> = self.values.all().into_values().collect();
        let inner = self.lock();
        let seen = inner.brain.vars().values().chain(inner.signals.values());
        kept.extend(seen.chain(inner.logs.values()).cloned());
        kept
    }

    /// Writes a line to the log.
    pub(crate) fn log(&self, inner: &mut Inner, words: &str) {
        inner.logs.write(self.body.now(), words);
        self.tell(inner);
    }

    /// Tells those who wait for news of the logs, if anyone does.
    #[cfg(feature = "api")]
    pub(super) fn tell(&self, inner: &mut Inner) {
        // Once only: who has been told looks again before it waits again.
        if inner.logs.is_awaited() {
            inner.logs.set_awaited(false);
            self.news.notify_all();
        }
    }

    #[cfg(not(feature = "api"))]
    #[expect(clippy::unused_self, reason = "nobody follows without an API")]
    pub(super) fn tell(&self, _: &mut Inner) {}

    /// What the logs have after this entry; waits for at most `limit` when there is nothing.
    #[cfg(feature = "api")]
    pub(crate) fn news(&self, after: u64, limit: Duration) -> News {
        let mut inner = self.lock();
        if inner.logs.written() <= after {
            inner.logs.set_awaited(true);
            inner = inner.wait(&self.news, Some(limit));
        }
        inner.logs.after(after)
    }
}

/// What an event means to those who look: a lifecycle call.
pub(super) fn lifecycle(event: &Event) -> Option<Signal> {
    let cause = match event {
        Event::Start { .. } => Cause::Start,
        Event::Stop(request) => Cause::Stop(request.reason.clone()),
        Event::Kill { reason } => Cause::Kill(reason.clone()),
        _ => return None,
    };
    Some(Signal::Watcher(cause))
}
