//! Kharon: a queue of tickets, and the workers that run them.

mod adding;
mod claim;
mod config;
mod error;
mod groups;
mod looking;
mod new_ticket;
mod options;
mod router;
mod settling;
mod ticket;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use hersh::kharon::{Kharon, Report, Settings, Stepper, VirtualClock};

use crate::boundary;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, lock};
use config::HershKharonConfig;
use router::{Handlers, HershRouter, Work, is_inside};

#[cfg(test)]
pub(crate) use {
    adding::*, claim::*, config::*, groups::*, looking::*, new_ticket::*, options::*, router::*,
    settling::*, ticket::*,
};

/// A queue of tickets that are not lost, and the workers that run them. What is promised (each ticket
/// is run at least once, a late worker is refused, order, durability by store) is written at the top
/// of `core/src/kharon/mod.rs`.
///
/// Tickets are kept in memory or in a SQLite file. The store in PostgreSQL is for Rust alone: its
/// client brings an async runtime, which this library does without.
///
/// May be used from any thread, from its own handlers too. Free it with `hersh_kharon_free`.
pub struct HershKharon {
    kharon: Kharon,
    /// Tells it from others.
    number: u64,
    clock: Option<Arc<VirtualClock>>,
    session: Mutex<Option<Session>>,
    /// Rung when a session has ended.
    ended: Condvar,
    work: Arc<Work>,
    /// The handlers of sessions that were ended while some of them still ran.
    past: Mutex<Vec<Handlers>>,
}

/// What one start brought.
struct Session {
    /// Tells it from others.
    number: u64,
    handlers: Handlers,
    /// Runs tickets when time is virtual.
    stepper: Option<Arc<Stepper>>,
}

handle_of!(HershKharon, Kharon);

/// What stopping came to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HershKharonStopped {
    /// Tickets that were claimed but not begun, and were given back.
    pub given_back: usize,
    /// Workers whose handlers had not returned when the grace was over.
    pub still_running: usize,
    /// Results that the store has not taken. Their tickets will be run again when their claims are
    /// over.
    pub unsaved: usize,
}

impl From<Report> for HershKharonStopped {
    fn from(report: Report) -> Self {
        let Report { given_back, still_running, unsaved, .. } = report;
        Self { given_back, still_running, unsaved }
    }
}

impl HershKharon {
    /// Begins a session, unless one is under way, and says its number.
    fn start(&self, router: *const HershRouter) -> Answer<u64> {
        let router = handle::get(router, "router")?;
        let mut session = lock(&self.session);
        let (paths, handlers) = router.routes(self.number, &self.work);
        let stepper = if self.clock.is_some() {
            Some(Arc::new(self.kharon.stepper(paths)?))
        } else {
            self.kharon.start(paths)?;
            None
        };
        let number = another_number();
        *session = Some(Session { number, handlers, stepper });
        Ok(number)
    }

    /// Waits until a session has ended.
    fn wait(&self, number: u64) {
        let session = lock(&self.session);
        let goes_on = |session: &mut Option<Session>| {
            session.as_ref().is_some_and(|session| session.number == number)
        };
        drop(self.ended.wait_while(session, goes_on));
    }

    fn stop(&self, grace: Duration) -> Report {
        let report = self.kharon.stop(grace);
        let ended = lock(&self.session).take();
        self.ended.notify_all();
        lock(&self.past).extend(ended.map(|session| session.handlers));
        if self.work.wait(Duration::ZERO) {
            self.forget();
        }
        report
    }

    /// Frees the data of handlers that have ended, while no lock of ours is held.
    fn forget(&self) {
        let past = std::mem::take(&mut *lock(&self.past));
        drop(past);
    }
}

/// A number that nothing else has.
fn another_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

fn get(kharon: *const HershKharon) -> Answer<Arc<HershKharon>> {
    handle::get(kharon, "kharon")
}

/// Refuses to wait for a handler from inside it.
fn outside(kharon: &HershKharon) -> Answer {
    if !is_inside(kharon.number) {
        return Ok(());
    }
    let words = "this waits for the handlers and so cannot be called from inside one";
    Err(Failure::new(HershStatus::Inside, words))
}

/// Makes a Kharon; `config` may be NULL for defaults: tickets in memory. Free it with
/// `hersh_kharon_free`. `HERSH_STATUS_CONFIG` when a setting makes no sense;
/// `HERSH_STATUS_STORE_BROKEN` when the file is damaged, foreign or of a later version (it is left as
/// it is), and `HERSH_STATUS_STORE_UNAVAILABLE` when it cannot be reached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_new(
    config: *const HershKharonConfig,
    kharon: *mut *mut HershKharon,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(kharon, "kharon") }?;
        let (kharon, clock) = if config.is_null() {
            (Kharon::new(hersh::kharon::MemoryStore::new(), Settings::default())?, None)
        } else {
            handle::get(config, "config")?.build()?
        };
        out.set(handle::insert(HershKharon {
            kharon,
            number: another_number(),
            clock,
            session: Mutex::default(),
            ended: Condvar::new(),
            work: Arc::default(),
            past: Mutex::default(),
        })?);
        Ok(())
    })
}

/// Frees a Kharon. NULL is fine. One that runs is stopped first, with the process time as its grace:
/// after `HERSH_STATUS_OK` none of its handlers runs any more, and what they use may be freed. After
/// `HERSH_STATUS_TIMED_OUT` the handle is freed too, but a handler is still running, and its user data
/// is freed when that returns; so it is at once when this is called from one of its own handlers.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_free(kharon: *mut HershKharon) -> HershStatus {
    boundary::status(|| {
        let Some(freed) = handle::take(kharon, "kharon")? else { return Ok(()) };
        let inside = is_inside(freed.number);
        let grace = if inside { Duration::ZERO } else { freed.kharon.settings().process_time };
        let began = Instant::now();
        freed.stop(grace);
        if freed.work.wait(grace.saturating_sub(began.elapsed())) {
            freed.forget();
            return Ok(());
        }
        let words = "the Kharon is freed, but one of its handlers is still running";
        Err(Failure::new(HershStatus::TimedOut, words))
    })
}

/// Starts the workers, and returns. The router may be freed. `HERSH_STATUS_STATE` when they run
/// already.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_start(
    kharon: *mut HershKharon,
    router: *const HershRouter,
) -> HershStatus {
    boundary::status(|| get(kharon)?.start(router).map(drop))
}

/// Starts the workers, and waits until `hersh_kharon_stop` has ended them: from another thread, or
/// with a grace of 0 from a handler. SIGINT and SIGTERM are the program's own to mind.
/// `HERSH_STATUS_STATE` when they run already, or time is virtual.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_run(
    kharon: *mut HershKharon,
    router: *const HershRouter,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        outside(&kharon)?;
        if kharon.clock.is_some() {
            let words = "its time is virtual: start it, and move the time on";
            return Err(Failure::new(HershStatus::State, words));
        }
        let session = kharon.start(router)?;
        kharon.wait(session);
        Ok(())
    })
}

/// Ends the workers: each finishes the ticket it is running, and what was only claimed is given back.
/// Waits for them no longer than `grace_ms` milliseconds; a handler that takes longer goes on, and can
/// still settle its ticket while its claim runs. `stopped` may be NULL. Stopping again is fine.
/// `HERSH_STATUS_INSIDE` from inside a handler, unless `grace_ms` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_stop(
    kharon: *mut HershKharon,
    grace_ms: u64,
    stopped: *mut HershKharonStopped,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        if grace_ms > 0 {
            outside(&kharon)?;
        }
        let report = kharon.stop(Duration::from_millis(grace_ms));
        // SAFETY: contract, outputs.
        if let Some(out) = unsafe { Out::optional(stopped) } {
            out.set(report.into());
        }
        Ok(())
    })
}

/// Whether its workers are being stopped, or do not run; `true` when it is no Kharon.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_kharon_is_stopping(kharon: *const HershKharon) -> bool {
    boundary::value(true, || Ok(get(kharon)?.kharon.is_stopping()))
}

/// Moves virtual time on by so many milliseconds, and runs every ticket that falls due on the way, on
/// this thread. `ran` gets how many were run, and may be NULL. `HERSH_STATUS_STATE` when time is not
/// virtual, or it was not started; `HERSH_STATUS_INSIDE` from inside a handler; `HERSH_STATUS_LIMIT`
/// when a million batches in a row have not come to rest at one moment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_kharon_advance_ms(
    kharon: *mut HershKharon,
    milliseconds: u64,
    ran: *mut usize,
) -> HershStatus {
    boundary::status(|| {
        let kharon = get(kharon)?;
        outside(&kharon)?;
        let stepper = lock(&kharon.session).as_ref().and_then(|session| session.stepper.clone());
        let (Some(clock), Some(stepper)) = (&kharon.clock, stepper) else {
            let words = "there is no virtual time to move: set it in the configuration, and start";
            return Err(Failure::new(HershStatus::State, words));
        };
        let time = Duration::from_millis(milliseconds);
        let count = boundary::restful(|| stepper.run_for(clock, time))?;
        // SAFETY: contract, outputs.
        if let Some(out) = unsafe { Out::optional(ran) } {
            out.set(count);
        }
        Ok(())
    })
}
