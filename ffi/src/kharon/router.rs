//! Which function runs which tickets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use hersh::kharon::{Claim, Handled, Label, Limit, Router};

use super::claim::HershClaim;
use crate::boundary;
use crate::callback::{HershFreeFn, UserData};
use crate::error::Answer;
use crate::handle::{self, Lent, handle_of};
use crate::outcome::HershOutcome;
use crate::status::HershStatus;
use crate::text::{Out, lock, null, text};

/// Runs a ticket. Answers `HERSH_OUTCOME_OK`: what it has not settled itself becomes done. Any other
/// number is a failed attempt, with the words of `hersh_claim_error` if it was asked: the ticket is
/// tried again, with growing delays. `claim` is valid until it returns. Called on any of the workers'
/// threads, and on several at once; in virtual time on the thread that moves it.
pub type HershHandlerFn =
    Option<unsafe extern "C" fn(claim: *mut HershClaim, user_data: *mut c_void) -> i32>;

/// Chooses a handler by a ticket's type.
///
/// May be used from any thread, and for any number of Kharons; what is set after one was started does
/// not count for that. Free it with `hersh_router_free`, at any time.
pub struct HershRouter {
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    handlers: BTreeMap<String, Arc<Handler>>,
    not_found: Option<Arc<Handler>>,
    limits: BTreeMap<String, Limit>,
}

handle_of!(HershRouter, Router);

/// A handler of C with its data.
pub(super) struct Handler {
    call: unsafe extern "C" fn(*mut HershClaim, *mut c_void) -> i32,
    data: UserData,
}

thread_local! {
    /// The Kharons of which handlers run on this thread, by number, the innermost last.
    static RUNNING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Whether a handler of this Kharon runs on this thread.
pub(super) fn is_inside(kharon: u64) -> bool {
    RUNNING.with_borrow(|running| running.contains(&kharon))
}

/// While this lives, a handler of a Kharon runs on this thread.
struct Inside;

impl Inside {
    fn of(kharon: u64) -> Self {
        RUNNING.with_borrow_mut(|running| running.push(kharon));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}

impl Handler {
    fn run(&self, claim: &Claim) -> Handled {
        let lent = Lent::new(HershClaim::lent(claim)).map_err(|failure| failure.words)?;
        // SAFETY: C gave this function for this data; the handle is alive until it returns.
        let outcome = unsafe { (self.call)(lent.handle(), self.data.pointer()) };
        if outcome == HershOutcome::Ok as i32 {
            return Ok(());
        }
        let reason = lent.content().reason();
        Err(reason.unwrap_or_else(|| format!("the handler returned {outcome}")).into())
    }
}

/// The handlers of one run. They live while this does, and so their data is freed by who drops it.
pub(super) type Handlers = Vec<Arc<Handler>>;

/// How many handlers of a Kharon run.
#[derive(Default)]
pub(super) struct Work {
    running: Mutex<usize>,
    idle: Condvar,
}

impl Work {
    fn begin(&self) -> Working<'_> {
        *lock(&self.running) += 1;
        Working(self)
    }

    /// Waits until no handler runs, at most so long; whether none does.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let busy = |running: &mut usize| *running > 0;
        let waited = self.idle.wait_timeout_while(lock(&self.running), limit, busy);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

/// While this lives, a handler runs.
struct Working<'a>(&'a Work);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        *lock(&self.0.running) -= 1;
        self.0.idle.notify_all();
    }
}

impl HershRouter {
    /// A router of the core for the Kharon of this number, and the handlers that it leads to.
    pub(super) fn routes(&self, kharon: u64, work: &Arc<Work>) -> (Router, Handlers) {
        let known = lock(&self.routes);
        let run = |handler: &Arc<Handler>| {
            let (handler, work) = (Arc::downgrade(handler), Arc::clone(work));
            move |claim: &Claim| {
                let _working = work.begin();
                let Some(handler) = Weak::upgrade(&handler) else {
                    // The Kharon was freed just now: it is for another to run this ticket.
                    claim.leave();
                    return Ok(());
                };
                let _inside = Inside::of(kharon);
                handler.run(claim)
            }
        };
        let mut router = Router::new();
        for (kind, handler) in &known.handlers {
            router = router.handle(kind, run(handler));
        }
        for (kind, limit) in &known.limits {
            router = router.limit(kind, *limit);
        }
        if let Some(handler) = &known.not_found {
            router = router.not_found(run(handler));
        }
        (router, known.handlers.values().chain(&known.not_found).cloned().collect())
    }
}

/// Makes a router without handlers. Free it with `hersh_router_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_router_new(router: *mut *mut HershRouter) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(router, "router") }?;
        out.set(handle::insert(HershRouter { routes: Mutex::default() })?);
        Ok(())
    })
}

/// Frees a router. NULL is fine. Kharons that were started with it go on; the data of its handlers is
/// freed when the last of them is stopped.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_router_free(router: *mut HershRouter) -> HershStatus {
    boundary::status(|| handle::take(router, "router").map(drop))
}

fn set(
    router: *mut HershRouter,
    handler: HershHandlerFn,
    data: UserData,
    set: impl FnOnce(&mut Routes, Arc<Handler>) -> Answer,
) -> HershStatus {
    boundary::status(|| {
        let router = handle::get(router, "router")?;
        let call = handler.ok_or_else(|| null("handler"))?;
        set(&mut lock(&router.routes), Arc::new(Handler { call, data }))
    })
}

/// Runs `handler` for tickets of a type, instead of what ran for it before.
///
/// `user_data` is taken over, also when this fails; `free_user_data` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_router_handle(
    router: *mut HershRouter,
    kind: *const c_char,
    handler: HershHandlerFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
) -> HershStatus {
    set(router, handler, UserData::new(user_data, free_user_data), |routes, handler| {
        // SAFETY: contract, texts.
        let kind = Label::new(unsafe { text(kind, "kind") }?)?;
        routes.handlers.insert(kind.as_str().to_owned(), handler);
        Ok(())
    })
}

/// Runs `handler` for tickets of all other types; without it they are failed for good. Otherwise like
/// `hersh_router_handle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_router_not_found(
    router: *mut HershRouter,
    handler: HershHandlerFn,
    user_data: *mut c_void,
    free_user_data: HershFreeFn,
) -> HershStatus {
    set(router, handler, UserData::new(user_data, free_user_data), |routes, handler| {
        routes.not_found = Some(handler);
        Ok(())
    })
}

/// Limits how many tickets of a type one Kharon runs: at most `at_once` at once, and at most `count`
/// that begin within `per_ms` milliseconds. 0 is no limit, for each of the two. Other processes do
/// not count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_router_limit(
    router: *mut HershRouter,
    kind: *const c_char,
    at_once: usize,
    count: u32,
    per_ms: u64,
) -> HershStatus {
    boundary::status(|| {
        let router = handle::get(router, "router")?;
        // SAFETY: contract, texts.
        let kind = Label::new(unsafe { text(kind, "kind") }?)?;
        let mut limit = Limit::default();
        limit.concurrency = (at_once > 0).then_some(at_once);
        limit.rate = (count > 0).then(|| (count, Duration::from_millis(per_ms)));
        lock(&router.routes).limits.insert(kind.as_str().to_owned(), limit);
        Ok(())
    })
}
