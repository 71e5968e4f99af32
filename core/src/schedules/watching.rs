//! Polls, flows and timers while other things happen.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex as Plain};
use std::time::Duration;

use super::witness::Witness;
use super::{explored, small};
use crate::sync::channel::bounded;
use crate::sync::thread;
use crate::{ManagedError, WatchKind};

const EVERY: Duration = Duration::from_millis(100);

#[test]
fn polls_go_on_while_their_variable_is_taken_away_and_given_back() {
    explored(|| {
        let witness = Witness::default();
        let wrong = Arc::new(AtomicBool::new(false));
        let (doubled, mut last, mut runs) = (Arc::clone(&wrong), None, 0);
        let watcher = witness.start(small(), move |_, ctx| {
            runs += 1;
            if runs % 3 == 0 {
                ctx.unwatch("polled");
                last = None;
            }
            let (polling, next) = (AtomicBool::new(false), AtomicU32::new(0));
            let doubled = Arc::clone(&doubled);
            let own = Arc::clone(&doubled);
            let value = ctx.watch_call("polled", EVERY, move || {
                doubled.fetch_or(polling.swap(true, Ordering::SeqCst), Ordering::SeqCst);
                thread::yield_now();
                polling.store(false, Ordering::SeqCst);
                Ok::<_, String>(next.fetch_add(1, Ordering::SeqCst))
            })?;
            // Each value is one more than the last: none is lost, doubled, or of an older variable.
            if let (true, Some(value)) = (value.triggered(), value.value()) {
                own.fetch_or(*value != last.map_or(0, |last| last + 1), Ordering::SeqCst);
                last = Some(*value);
            }
            if runs > 7 { Err(ManagedError::stop("enough")) } else { Ok(()) }
        });
        witness.check_end(&watcher);
        assert!(!wrong.load(Ordering::SeqCst));
    });
}

#[test]
fn a_flow_is_stopped_from_inside_and_from_outside() {
    explored(|| {
        let witness = Witness::default();
        let (sender, receiver) = bounded::<u32>(1);
        let seen: Arc<Plain<Vec<u32>>> = Arc::default();
        let values = Arc::clone(&seen);
        let watcher = witness.start(small(), move |_, ctx| {
            let event = ctx.watch_flow("events", &receiver)?;
            let Some(value) = event.value().filter(|_| event.triggered()) else { return Ok(()) };
            values.lock().expect("nobody panics with it").push(*value);
            if *value == 3 { Err(ManagedError::stop("the third")) } else { Ok(()) }
        });
        let feeder = thread::spawn(move || (1..=5).take_while(|n| sender.send(*n).is_ok()).count());
        let stopper = watcher.clone();
        let stopper = thread::spawn(move || drop(stopper.stop()));
        stopper.join().expect("every call returns");
        witness.check_end(&watcher);
        let seen = seen.lock().expect("nobody panics with it").clone();
        let most = u32::try_from(seen.len()).expect("few");
        assert!(most <= 3 && seen.iter().copied().eq(1..=most), "in order, none lost: {seen:?}");
        // With the watcher goes the receiving end; a sender that waits for room is let go.
        drop(watcher);
        feeder.join().expect("every call returns");
    });
}

#[test]
fn the_newest_of_a_flow_and_a_timer_come_to_their_ends() {
    explored(|| {
        let witness = Witness::default();
        let (sender, receiver) = bounded::<u32>(4);
        let wrong = Arc::new(AtomicBool::new(false));
        let (seen, mut newest, mut ticks) = (Arc::clone(&wrong), 0, 0);
        let watcher = witness.start(small(), move |_, ctx| {
            let event = ctx.watch_flow_latest("events", &receiver)?;
            let tick = ctx.watch_tick("tick", EVERY)?;
            if let (true, Some(value)) = (event.triggered(), event.value()) {
                seen.fetch_or(*value <= newest, Ordering::SeqCst);
                newest = *value;
            }
            if let (true, Some(tick)) = (tick.triggered(), tick.value()) {
                seen.fetch_or(tick.count <= ticks, Ordering::SeqCst);
                ticks = tick.count;
            }
            if newest == 3 && ticks > 0 { Err(ManagedError::stop("the newest")) } else { Ok(()) }
        });
        (1..=3).for_each(|value| sender.send(value).expect("room for all"));
        let closing = thread::spawn(move || drop(sender));
        witness.check_end(&watcher);
        closing.join().expect("every call returns");
        assert!(!wrong.load(Ordering::SeqCst), "newer each time");
        assert_eq!(watcher.watched()[0].kind, WatchKind::FlowLatest);
    });
}
