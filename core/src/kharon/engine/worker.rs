//! A worker: takes a ticket, runs its handler, and sees what becomes of it.
//!
//! A thread each. It lets no panic of a handler out, and takes no ticket whose claim is half over, so a
//! handler has at least half of `process_time`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::RunError;
use super::keeper;
use super::session::{Fetched, Session};
use crate::kharon::claim::Claim;
use crate::kharon::handle::Kharon;
use crate::kharon::metrics::Count;
use crate::kharon::rules::{self, chance};
use crate::kharon::store::Change;
use crate::kharon::ticket::{ClaimToken, Ticket};
use crate::kharon::time::Timestamp;

/// Mixed into chance, so that it does not repeat what tokens are like elsewhere.
const SEED: u64 = 0x6b68_6172_6f6e;

/// Starts the threads of a session.
pub(super) fn start(session: &Arc<Session>) -> Result<(), RunError> {
    for number in 1..=session.engine.settings.workers {
        let name = format!("kharon-{number}");
        spawn(session, name, |session| {
            while let Some(fetched) = session.next() {
                run(session, fetched);
            }
        })?;
    }
    spawn(session, "kharon-keeper".to_owned(), keeper::keep)
}

fn spawn(
    session: &Arc<Session>,
    name: String,
    work: impl FnOnce(&Session) + Send + 'static,
) -> Result<(), RunError> {
    let shared = Arc::clone(session);
    session.enter();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        work(&shared);
        shared.leave();
    });
    spawned.map(drop).map_err(|error| {
        session.leave();
        RunError::Thread(error)
    })
}

/// Runs one ticket.
pub(super) fn run(session: &Session, Fetched { ticket, until }: Fetched) {
    let kind = ticket.kind.clone();
    if let Some(change) = instead(session, &ticket, until) {
        session.settle(ticket, until, change);
    } else {
        session.watch.mind(&session.outbox);
        handle(session, ticket, until);
    }
    session.over(&kind);
}

/// What becomes of a ticket that is not to be run.
fn instead(session: &Session, ticket: &Ticket, until: Timestamp) -> Option<Change> {
    let engine = &session.engine;
    if until.since(engine.clock.now()) < engine.settings.process_time / 2 {
        // It lay here too long: a handler would get it with its time half over.
        return Some(Change::Release);
    }
    if let Some(change) = engine.judgement.forbids(ticket.attempts) {
        return Some(change);
    }
    if ticket.repeat.as_ref().is_some_and(|repeat| rules::is_missed(repeat, ticket.mtime)) {
        return Some(Change::Skip);
    }
    let known = session.router.handler(&ticket.kind).is_some();
    (!known).then(|| rules::failed(format!("no handler for the type {}", ticket.kind)))
}

fn handle(session: &Session, ticket: Ticket, until: Timestamp) {
    let engine = &session.engine;
    let Some(handler) = session.router.handler(&ticket.kind) else { return };
    let claim = Claim::new(ticket, Kharon::of(engine), until);
    let begun = engine.clock.now();
    let ended = catch_unwind(AssertUnwindSafe(|| handler(&claim)));
    session.took(engine.clock.now().since(begun));
    let ended = match ended {
        Ok(returned) => returned.map_err(|error| error.to_string()),
        Err(panic) => {
            engine.metrics.add(Count::Panicked, 1);
            Err(format!("the handler panicked: {}", words(&*panic)))
        }
    };
    if claim.is_settled() {
        return;
    }
    let ticket = claim.into_ticket();
    let drawn = chance(SEED, ticket.token().unwrap_or(ClaimToken(0)));
    let change = engine.judgement.verdict(ended, ticket.attempts, drawn);
    session.settle(ticket, until, change);
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}
