//! Watchers under a virtual clock.

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use hersh::sim::Simulation;

use crate::boundary;
use crate::config::HershConfig;
use crate::context::unix_ms;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, json, tell, text};
use crate::watcher::HershWatcher;

/// A virtual clock and the watchers that live by it: for testing a program without waiting. A day of
/// ticks takes a moment, and two runs with one seed do the same, byte for byte.
///
/// A simulation, its watchers and all their callbacks belong to the thread that made it; from
/// another they are answered with `HERSH_STATUS_WRONG_THREAD`. Nothing happens but while the
/// simulation is run, by its own functions or by those of a watcher that wait. Free it with
/// `hersh_simulation_free`, before or after its watchers.
pub struct HershSimulation {
    simulation: Simulation,
    home: Arc<Home>,
}

handle_of!(HershSimulation, Simulation);

/// What the watchers of one simulation share: its thread, and whether one of their callbacks runs.
pub(crate) struct Home {
    thread: ThreadId,
    inside: AtomicBool,
}

impl Home {
    /// Refuses every thread but its own.
    pub(crate) fn check_thread(&self) -> Answer {
        if thread::current().id() == self.thread {
            return Ok(());
        }
        let words = "a simulation and its watchers belong to the thread that made the simulation";
        Err(Failure::new(HershStatus::WrongThread, words))
    }

    /// A callback runs, until the guard is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        Inside { home: self, outer: self.inside.swap(true, Ordering::Relaxed) }
    }
}

/// While this lives, a callback of a simulated watcher runs.
pub(crate) struct Inside<'a> {
    home: &'a Home,
    outer: bool,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.home.inside.store(self.outer, Ordering::Relaxed);
    }
}

fn get(simulation: *const HershSimulation) -> Answer<Arc<HershSimulation>> {
    let simulation = handle::get(simulation, "simulation")?;
    simulation.home.check_thread()?;
    Ok(simulation)
}

/// Runs the world, which must not be running already.
fn drive(simulation: *mut HershSimulation, run: impl FnOnce(&Simulation)) -> HershStatus {
    boundary::status(|| {
        let simulation = get(simulation)?;
        if simulation.home.inside.load(Ordering::Relaxed) {
            let words = "a simulation cannot be run from inside what it runs";
            return Err(Failure::new(HershStatus::Inside, words));
        }
        boundary::restful(|| run(&simulation.simulation))
    })
}

/// Makes a world whose clock stands at 2025-01-01 00:00 UTC. The seed decides what chance decides:
/// jitter, and in which order watchers that are due at one moment are served. Free it with
/// `hersh_simulation_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_new(
    seed: u64,
    simulation: *mut *mut HershSimulation,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(simulation, "simulation") }?;
        let home = Home { thread: thread::current().id(), inside: AtomicBool::new(false) };
        let simulation =
            HershSimulation { simulation: Simulation::new(seed), home: Arc::new(home) };
        out.set(handle::insert(simulation)?);
        Ok(())
    })
}

/// Frees a simulation. NULL is fine. Its watchers are freed by themselves; without it no time passes
/// for them but in functions that wait. `HERSH_STATUS_WRONG_THREAD` from another thread; then it is
/// not freed.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_simulation_free(simulation: *mut HershSimulation) -> HershStatus {
    boundary::status(|| {
        if !simulation.is_null() {
            get(simulation)?;
        }
        handle::take(simulation, "simulation").map(drop)
    })
}

/// Builds a watcher that lives in this simulation; `config` may be NULL for defaults. It does what a
/// watcher does, but only while the simulation is run. Free it with `hersh_watcher_free`.
/// `HERSH_STATUS_CONFIG` when a setting makes no sense.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_watcher_new(
    simulation: *mut HershSimulation,
    config: *const HershConfig,
    watcher: *mut *mut HershWatcher,
) -> HershStatus {
    boundary::status(|| {
        let simulation = get(simulation)?;
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(watcher, "watcher") }?;
        let home = Some(Arc::clone(&simulation.home));
        out.set(HershWatcher::build(simulation.simulation.builder(), config, home)?);
        Ok(())
    })
}

/// The virtual time, in milliseconds since the Unix epoch; 0 when it is no simulation of this
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_simulation_now_ms(simulation: *const HershSimulation) -> u64 {
    boundary::value(0, || Ok(unix_ms(get(simulation)?.simulation.now())))
}

/// Does everything that can be done without the clock moving. `HERSH_STATUS_INSIDE` from inside a
/// callback of one of its watchers; `HERSH_STATUS_LIMIT` when a million executions in a row have not
/// come to rest at one moment.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_simulation_run_until_idle(simulation: *mut HershSimulation) -> HershStatus {
    drive(simulation, Simulation::run_until_idle)
}

/// Moves the clock on by so many milliseconds, doing everything that falls due on the way. Otherwise
/// like `hersh_simulation_run_until_idle`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_simulation_advance_ms(
    simulation: *mut HershSimulation,
    milliseconds: u64,
) -> HershStatus {
    drive(simulation, |world| world.advance(Duration::from_millis(milliseconds)))
}

/// Arranges something for a watched variable of one of its watchers.
fn arrange(
    simulation: *mut HershSimulation,
    watcher: *const HershWatcher,
    name: *const c_char,
    arrange: impl FnOnce(&Simulation, &HershWatcher, &str) -> Answer,
) -> HershStatus {
    boundary::status(|| {
        let simulation = get(simulation)?;
        let watcher = crate::watcher::get(watcher)?;
        // SAFETY: contract, texts.
        let name = unsafe { text(name, "name") }?;
        if !watcher.lives_in(&simulation.home) {
            let words = "the watcher is not of this simulation";
            return Err(Failure::new(HershStatus::Mismatch, words));
        }
        arrange(&simulation.simulation, &watcher, name)
    })
}

/// Lets the next poll of a variable bring this value, without calling it. Several wait in line. The
/// variable may be watched already or not. `HERSH_STATUS_MISMATCH` when the watcher is not of this
/// simulation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_inject_poll_json(
    simulation: *mut HershSimulation,
    watcher: *const HershWatcher,
    name: *const c_char,
    value: *const c_char,
) -> HershStatus {
    arrange(simulation, watcher, name, |simulation, watcher, name| {
        // SAFETY: contract, texts.
        simulation.inject_poll(watcher, name, unsafe { json(value, "value") }?);
        Ok(())
    })
}

/// Lets the next `times` polls of a variable fail with these words, without calling them. Otherwise
/// like `hersh_simulation_inject_poll_json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_fail_polls(
    simulation: *mut HershSimulation,
    watcher: *const HershWatcher,
    name: *const c_char,
    times: u32,
    words: *const c_char,
) -> HershStatus {
    arrange(simulation, watcher, name, |simulation, watcher, name| {
        // SAFETY: contract, texts.
        simulation.fail_polls(watcher, name, times, unsafe { text(words, "words") }?);
        Ok(())
    })
}

/// Lets every poll of a variable take so many milliseconds from now on. Otherwise like
/// `hersh_simulation_inject_poll_json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_delay_polls_ms(
    simulation: *mut HershSimulation,
    watcher: *const HershWatcher,
    name: *const c_char,
    milliseconds: u64,
) -> HershStatus {
    arrange(simulation, watcher, name, |simulation, watcher, name| {
        simulation.delay_polls(watcher, name, Duration::from_millis(milliseconds));
        Ok(())
    })
}

/// Every change of state of every watcher so far, a line each; of more than a million, the first.
/// Free it with `hersh_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_simulation_trace(
    simulation: *const HershSimulation,
    trace: *mut *mut c_char,
) -> HershStatus {
    tell(trace, "trace", || Ok(get(simulation)?.simulation.trace()))
}

/// A digest of the text of all changes of state so far: two runs that did the same have the same.
/// 0 when it is no simulation of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_simulation_trace_digest(simulation: *const HershSimulation) -> u64 {
    boundary::value(0, || Ok(get(simulation)?.simulation.trace().digest()))
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::ptr::{null, null_mut};

    use super::*;
    use crate::context::HershContext;
    use crate::watcher::{
        hersh_watcher_free, hersh_watcher_manage, hersh_watcher_send, hersh_watcher_start,
    };

    unsafe extern "C" fn sends_to_itself(
        _: *const c_char,
        _: *mut HershContext,
        watcher: *mut c_void,
    ) -> i32 {
        // SAFETY: the text is one.
        unsafe { hersh_watcher_send(watcher.cast(), c"again".as_ptr()) as i32 }
    }

    #[test]
    fn a_program_that_never_rests_is_told_so() {
        let (mut simulation, mut watcher) = (null_mut(), null_mut());
        // SAFETY: all pointers are those of places here.
        unsafe {
            assert_eq!(hersh_simulation_new(1, &raw mut simulation), HershStatus::Ok);
            let built = hersh_simulation_watcher_new(simulation, null(), &raw mut watcher);
            assert_eq!(built, HershStatus::Ok);
            let (name, data) = (c"send".as_ptr(), watcher.cast());
            let managed = hersh_watcher_manage(watcher, name, Some(sends_to_itself), data, None);
            assert_eq!(managed, HershStatus::Ok);
        }
        assert_eq!(hersh_watcher_start(watcher), HershStatus::Ok);
        assert_eq!(hersh_simulation_run_until_idle(simulation), HershStatus::Limit);
        assert_eq!(hersh_watcher_free(watcher), HershStatus::Ok);
        assert_eq!(hersh_simulation_free(simulation), HershStatus::Ok);
    }
}
