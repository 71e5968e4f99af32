//! What is done when a ticket falls due.
use std::sync::{Arc, Weak};
use std::time::Duration;

use hersh::kharon::{Backoff, Claim, Handled, Options, UpdateError};

use super::need::{Need, need};
use super::{program_of, upkeep};
use crate::host::monitor;
use crate::host::parts::Parts;
use crate::host::takeover::{self, Progressed};
use crate::host::view::Timestamp;
use crate::program::{Desired, Event, ProgramState, State, Supervisor};

/// How long waits grow between attempts to bring one program where its owner wants it.
const WAITS: Backoff = Backoff { base: 2.0, max: Duration::from_secs(60), jitter: 0.2 };

/// How long a takeover is left alone that nothing was told of.
const TAKEOVER_LOOK: Duration = Duration::from_secs(10);

/// How soon it is looked again whether something that was given up is over.
const LINGER: Duration = Duration::from_millis(200);

/// What handlers work on. It keeps nothing alive: the host ends when its last handle is dropped.
#[derive(Clone)]
pub(super) struct Context {
    parts: Weak<Parts>,
    supervisor: Weak<Supervisor>,
}

impl Context {
    pub(super) fn new(parts: &Arc<Parts>, supervisor: &Arc<Supervisor>) -> Self {
        Self { parts: Arc::downgrade(parts), supervisor: Arc::downgrade(supervisor) }
    }

    /// The host, unless it is ending: then tickets stay for the next one.
    fn host(&self) -> Option<(Arc<Parts>, Arc<Supervisor>)> {
        let parts = self.parts.upgrade().filter(|parts| !parts.closing.is_cancelled())?;
        Some((parts, self.supervisor.upgrade()?))
    }
}

/// Brings a program a step nearer to where its owner wants it.
pub(super) fn reconcile(context: &Context, claim: &Claim) -> Handled {
    let Some((parts, supervisor)) = context.host() else {
        claim.leave();
        return Ok(());
    };
    let state = program_of(&claim.ticket().id).and_then(|id| supervisor.state(&id));
    let Some(state) = state else { return done(claim) };
    if !parts.is_taken_up() {
        return again(claim, WAITS.delay(0, 0.0), "the engine has not answered yet");
    }
    let now = Timestamp::now().0;
    match need(&state, now) {
        Need::Nothing => done(claim),
        Need::Person { reason } => settled(claim.fail(Options::new().error_reason(reason))),
        Need::Restart { delay } if !delay.is_zero() => again(claim, delay, "its restart waits"),
        Need::Again { delay, stuck: false } => {
            again(claim, delay, &format!("it is {}", state.state))
        }
        Need::Restart { .. } | Need::Again { stuck: true, .. } => {
            // Said before it is tried: what follows may lay the ticket anew, and has the last word.
            let wait = WAITS.delay(claim.ticket().attempts, 0.0);
            let reason = format!("it is {}, and should be {}", state.state, state.desired.as_str());
            again(claim, wait, &reason)?;
            // A queue that is full is told again when the ticket comes back.
            drop(supervisor.send(&state.id, remedy(&state)));
            Ok(())
        }
    }
}

/// Takes the next steps of a takeover.
pub(super) fn redeploy(context: &Context, claim: &Claim) -> Handled {
    let Some((parts, supervisor)) = context.host() else {
        claim.leave();
        return Ok(());
    };
    let Some(successor) = program_of(&claim.ticket().id) else { return done(claim) };
    if !parts.is_taken_up() {
        return again(claim, WAITS.delay(0, 0.0), "the engine has not answered yet");
    }
    // Said before it goes on: each change that follows has the ticket fall due at once.
    again(claim, TAKEOVER_LOOK, "it waits for one of its two programs")?;
    match takeover::go_on(&parts, &supervisor, &successor) {
        Ok(Progressed::Waits) => Ok(()),
        Ok(Progressed::Lingers) => Ok(parts.tickets.redeploy_later(&successor, LINGER)?),
        Ok(Progressed::Over) => Ok(parts.tickets.over(&successor)?),
        Err(words) => {
            parts.note("takeovers", Some(words));
            Ok(parts
                .tickets
                .redeploy_later(&successor, WAITS.delay(claim.ticket().attempts, 0.0))?)
        }
    }
}

/// What to tell a program that does not come where it should by itself.
fn remedy(state: &ProgramState) -> Event {
    if let (Some(pending), Desired::Ready) = (state.pending_restart, state.desired) {
        return Event::BackoffElapsed { attempt: pending.after };
    }
    match (state.desired, state.state) {
        (Desired::Removed, _) => Event::UserDeleteRequested { purge: false },
        (Desired::Purged, _) => Event::UserDeleteRequested { purge: true },
        (Desired::Stopped, State::Error) => Event::UserStopRequested,
        // It did not end by itself: its container would not stop when it was to be restarted.
        (Desired::Ready, State::Error) if state.exit.is_none() => Event::UserStartRequested,
        _ => Event::RuntimeCheckRequested { unknown: vec![] },
    }
}

fn done(claim: &Claim) -> Handled {
    settled(claim.ack(()))
}

fn again(claim: &Claim, delay: Duration, reason: &str) -> Handled {
    settled(claim.retry(Options::new().delay(delay).error_reason(reason)))
}

/// The ticket may have been laid anew, or taken away, while it was worked on: then that stands.
fn settled(result: Result<(), UpdateError>) -> Handled {
    match result {
        Ok(())
        | Err(UpdateError::NotFound | UpdateError::StaleClaim | UpdateError::Settled { .. }) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks whether what should run does.
pub(super) fn health(context: &Context) -> Handled {
    let Some((parts, supervisor)) = context.host() else { return Ok(()) };
    Ok(monitor::look(&parts, &supervisor)?)
}

/// Removes images that nobody will start from.
pub(super) fn expire_images(context: &Context) -> Handled {
    let Some((parts, supervisor)) = context.host() else { return Ok(()) };
    Ok(upkeep::expire_images(&parts, &supervisor)?)
}

/// Keeps the programs' logs within their bounds.
pub(super) fn rotate_logs(context: &Context) {
    if let Some((parts, supervisor)) = context.host() {
        upkeep::rotate_logs(&parts, &supervisor);
    }
}
