//! Ends, from wherever they come.

use std::time::Duration;

use super::witness::{Witness, was_stopped};
use super::{explored, small};
use crate::sync::thread;
use crate::{CancelToken, ManagedError, StartError, State, StopError, Watcher};

#[test]
fn a_parent_is_cancelled_while_a_crash_is_recovered_from() {
    explored(|| {
        let (witness, parent) = (Witness::default(), CancelToken::new());
        let built = Watcher::builder().config(small()).seed(7).parent(&parent).build();
        let watcher = built.expect("sound");
        witness.manage(&watcher, |message, ctx| match (message, ctx.attempt()) {
            (Some(_), 1..=2) => Err(ManagedError::crash("on purpose")),
            _ => Ok(()),
        });
        watcher.start().expect("starts");
        let canceller = thread::spawn(move || parent.cancel());
        witness.send(&watcher, "a", 2);
        canceller.join().expect("every call returns");
        assert!(was_stopped(witness.check_end(&watcher).state));
    });
}

#[test]
fn a_parent_whose_time_is_over_stops_its_child() {
    explored(|| {
        let witness = Witness::default();
        let parent = CancelToken::with_timeout(Duration::from_secs(1));
        let built = Watcher::builder().config(small()).seed(7).parent(&parent).build();
        let watcher = built.expect("sound");
        witness.manage(&watcher, |_, ctx| {
            ctx.sleep(Duration::from_millis(400));
            Ok(())
        });
        match watcher.start() {
            Ok(()) => {}
            Err(StartError::ParentCancelled) => return,
            Err(error) => panic!("{error}"),
        }
        witness.send(&watcher, "a", 2);
        assert!(was_stopped(witness.check_end(&watcher).state));
    });
}

#[test]
fn crashes_without_end_use_up_their_retries() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |message, _| match message {
            Some(_) => Err(ManagedError::crash("on purpose")),
            None => Ok(()),
        });
        witness.send(&watcher, "a", 2);
        let report = witness.check_end(&watcher);
        assert_eq!((report.state, witness.served()), (State::Crashed, 1));
        assert_eq!(watcher.stats().counters.retries, 2);
    });
}

#[test]
fn the_last_handle_is_dropped_while_another_thread_joins() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, ctx| {
            ctx.sleep(Duration::from_secs(1));
            Ok(())
        });
        let (held, weak) = (watcher.clone(), watcher.downgrade());
        let joined = thread::spawn(move || held.join(Some(Duration::from_secs(5))));
        let killer = thread::spawn(move || {
            if let Some(watcher) = weak.upgrade() {
                watcher.kill();
            }
        });
        drop(watcher);
        killer.join().expect("every call returns");
        joined.join().expect("every call returns");
        // Nothing holds the watcher now. A thread of it that did not end would be a deadlock.
    });
}

#[test]
fn a_function_that_is_deaf_is_left_behind_and_never_doubled() {
    explored(|| {
        let witness = Witness::default();
        let (entered, leave) = (Signal::default(), Signal::default());
        let (inside, held) = (entered.clone(), leave.clone());
        let watcher = witness.start(small(), move |_, ctx| {
            if ctx.message().is_some() {
                inside.give();
                held.wait();
            }
            Ok(())
        });
        witness.send(&watcher, "a", 2);
        entered.wait();
        match watcher.stop() {
            Err(StopError::TimedOut { report, .. }) => assert_eq!(report.state, State::Killed),
            other => panic!("{other:?}"),
        }
        assert!(!watcher.join(Some(Duration::from_millis(1))), "its function has not returned");
        leave.give();
        witness.check_end(&watcher);
    });
}

#[test]
fn of_two_starts_at_once_one_begins_a_session() {
    explored(|| {
        let witness = Witness::default();
        let watcher = Watcher::builder().config(small()).seed(7).build().expect("sound");
        witness.manage(&watcher, |_, ctx| {
            ctx.watch_tick("tick", Duration::from_millis(300))?;
            Ok(())
        });
        let other = watcher.clone();
        let beside = thread::spawn(move || other.start().is_ok());
        let started = watcher.start().is_ok();
        let also = beside.join().expect("every call returns");
        assert!(started != also, "one of them");
        let stopped = watcher.stop().is_ok();
        witness.check_end(&watcher);
        if stopped {
            watcher.start().expect("starts again");
            watcher.kill();
            witness.check_end(&watcher);
        }
    });
}

#[test]
fn a_session_that_follows_keeps_a_time_of_its_own() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, ctx| {
            let tick = ctx.watch_tick("tick", Duration::from_millis(100))?;
            if tick.triggered() { Err(ManagedError::stop("it ticks")) } else { Ok(()) }
        });
        if watcher.stop().is_ok_and(|report| report.state == State::Stopped) {
            // Threads of the first session may still be about to end.
            watcher.start().expect("starts again");
        }
        // Without its first tick it would never end.
        witness.check_end(&watcher);
    });
}

/// Given once, waited for as often as one likes.
#[derive(Clone, Default)]
struct Signal(std::sync::Arc<(crate::sync::Mutex<bool>, crate::sync::Condvar)>);

impl Signal {
    fn give(&self) {
        *crate::drive::lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut given = crate::drive::lock(&self.0.0);
        while !*given {
            given = self.0.1.wait(given).expect("nobody panics with it");
        }
    }
}
