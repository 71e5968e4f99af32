//! How a session ends: by a wish, at once, or by time.

use std::sync::Arc;

use super::Brain;
use crate::brain::effect::{Effect, Output};
use crate::brain::event::StopRequest;
use crate::brain::record::{Cause, Record};
use crate::brain::state::State;
use crate::brain::time::Time;

/// The end has been asked for; it comes when nothing runs and the cleanup is done.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    to: State,
    cause: Cause,
    pub(super) drain: bool,
    pub(super) deadline: Time,
    pub(super) cleaning: bool,
}

impl Brain {
    /// A drain goes on while messages are left, the function can serve them, and time remains.
    pub(super) fn drains(&self, closing: &Closing, now: Time) -> bool {
        closing.drain
            && now < closing.deadline
            && match self.state {
                State::InitRun => true,
                State::Ready => !self.queue.is_empty(),
                _ => false,
            }
    }

    pub(super) fn clean_up(&mut self, now: Time, out: &mut impl Output) {
        if let Some(closing) = &mut self.closing {
            closing.cleaning = true;
            closing.deadline = now + self.policy.stop_timeout;
            out.effect(Effect::CleanUp);
        }
    }

    pub(super) fn close(&mut self, to: State, cause: Cause, now: Time, out: &mut impl Output) {
        if let Some(closing) = &mut self.closing {
            closing.drain = false;
            return;
        }
        let deadline = now + self.policy.stop_timeout;
        self.closing = Some(Closing { to, cause, drain: false, deadline, cleaning: false });
        out.effect(Effect::Close);
    }

    pub(super) fn stop(
        &mut self,
        request: StopRequest,
        now: Time,
        out: &mut impl Output,
    ) -> Result<(), ()> {
        self.live()?;
        let deadline = now + request.timeout;
        if let Some(closing) = &mut self.closing {
            // Asked again: the more urgent wish counts.
            closing.drain &= request.drain;
            if !closing.cleaning {
                closing.deadline = closing.deadline.min(deadline);
            }
        } else {
            self.closing = Some(Closing {
                to: State::Stopped,
                cause: Cause::Stop(request.reason),
                drain: request.drain,
                deadline,
                cleaning: false,
            });
            out.effect(Effect::Close);
        }
        if !request.drain
            && let Some(current) = &self.current
        {
            out.effect(Effect::Cancel { execution: current.execution.number });
        }
        Ok(())
    }

    pub(super) fn kill(&mut self, cause: Cause, out: &mut impl Output) -> Result<(), ()> {
        self.live()?;
        if let Some(current) = &self.current {
            out.effect(Effect::Cancel { execution: current.execution.number });
        }
        self.end(State::Killed, cause, out);
        Ok(())
    }

    pub(super) fn cleaned_up(
        &mut self,
        problem: Option<String>,
        out: &mut impl Output,
    ) -> Result<(), ()> {
        if self.state.is_terminal() {
            // The stop timeout passed while the cleanup ran: it was Killed meanwhile.
            return Ok(());
        }
        let Some(closing) = self.closing.take_if(|closing| closing.cleaning) else {
            return Err(());
        };
        if let Some(words) = problem {
            self.counters.errors += 1;
            self.counters.last_error = Some(Arc::from(words));
        }
        self.end(closing.to, closing.cause, out);
        Ok(())
    }

    /// Enters a terminal state. What waited is kept as unserved, the crashed message first.
    fn end(&mut self, to: State, cause: Cause, out: &mut impl Output) {
        debug_assert!(to.is_terminal());
        self.closing = None;
        self.unserved.extend(self.retry.take().and_then(|retry| retry.execution.message));
        self.unserved.extend(self.queue.drain(..));
        self.transition(to, cause, out);
        out.effect(Effect::Close);
        out.effect(Effect::Over);
    }

    pub(super) fn elapsed(&mut self, now: Time, out: &mut impl Output) {
        if !self.state.is_live() {
            return;
        }
        if let Some(current) = &mut self.current
            && !current.timed_out
            && now >= current.execution.deadline
        {
            current.timed_out = true;
            self.counters.timeouts += 1;
            let execution = current.execution.number;
            out.record(Record::TimedOut { execution });
            out.effect(Effect::Cancel { execution });
        }
        if self.closing.is_none() && self.expires.is_some_and(|expires| now >= expires) {
            let reason = Arc::from("the parent's time is over");
            let timeout = self.policy.stop_timeout;
            // A live state always allows a stop.
            let _ = self.stop(StopRequest { reason, drain: false, timeout }, now, out);
        }
        if self.is_busy() && self.closing.as_ref().is_some_and(|closing| now >= closing.deadline) {
            self.stop_timed_out = true;
            // A live state always allows a kill.
            let _ = self.kill(Cause::StopTimeout, out);
        }
    }
}
