//! Clocks that jump by an hour, ahead and back, while tickets wait: none is early.

use std::collections::HashMap;
use std::env;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hersh::kharon::{
    Clock, Kharon, MemoryStore, NewTicket, Router, Settings, Store, SystemClock, Timestamp,
};

use super::child::id;
use super::place::Place;
use super::stepped;

const HOUR: i64 = 3_600_000_000;

/// A worker's clock that somebody keeps setting.
struct Jumping {
    steady: SystemClock,
    ahead_micros: AtomicI64,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_micros.load(Ordering::Relaxed);
        Timestamp::from_database(self.steady.now().to_database() + ahead)
    }
}

/// Adds tickets that are to wait, and sees that none is run before its time, by a clock that nobody sets;
/// `meanwhile` sets others, over and over, until it is told that it is over.
fn nothing_is_early(kharon: &Kharon, meanwhile: impl Fn(&AtomicBool) + Send) {
    const TICKETS: usize = 60;
    let begun = Arc::new(Mutex::new(HashMap::new()));
    let (send, receive) = channel();
    let added = Arc::clone(&begun);
    let handler = move |claim: &hersh::kharon::Claim| {
        let (at, delay): (Instant, Duration) = added.lock().unwrap()[claim.id.as_str()];
        let late = claim.mtime >= claim.runat && at.elapsed() >= delay;
        send.send((claim.id.to_string(), late))?;
        Ok(())
    };
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || meanwhile(over));
        kharon.start(Router::new().handle("work", handler)).unwrap();
        for number in 0..TICKETS {
            let delay = Duration::from_millis(u64::try_from(number * 10).unwrap());
            begun.lock().unwrap().insert(id(number), (Instant::now(), delay));
            kharon.add(NewTicket::new(id(number), "work").unwrap().delay(delay)).unwrap();
        }
        let mut seen = std::collections::HashSet::new();
        while seen.len() < TICKETS {
            let run = receive.recv_timeout(Duration::from_secs(60));
            let (id, late) = run.expect("a ticket that is due is run, whatever the clocks say");
            assert!(late, "{id} was early");
            seen.insert(id);
        }
        over.store(true, Ordering::Relaxed);
    });
    kharon.stop(Duration::from_secs(20));
}

/// When a ticket is ready is the store's to say, whatever a worker thinks what time it is.
fn nothing_is_early_by_a_workers_clock(store: Arc<dyn Store>) {
    let clock = Arc::new(Jumping { steady: SystemClock::new(), ahead_micros: AtomicI64::new(0) });
    let kharon = Kharon::with_clock(store, Settings::default(), Arc::clone(&clock)).unwrap();
    nothing_is_early(&kharon, |over| {
        for ahead in [HOUR, 0, -HOUR, 0].iter().cycle() {
            if over.load(Ordering::Relaxed) {
                return;
            }
            clock.ahead_micros.store(*ahead, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(3));
        }
    });
}

#[test]
fn in_memory() {
    nothing_is_early_by_a_workers_clock(Arc::new(MemoryStore::new()));
}

#[cfg(feature = "kharon-postgres")]
#[test]
fn in_postgres() {
    if let Some(place) = Place::postgres() {
        nothing_is_early_by_a_workers_clock(place.open());
    }
}

#[cfg(feature = "kharon-sqlite")]
#[test]
fn in_sqlite() {
    nothing_is_early_by_a_workers_clock(Place::sqlite().open());
}

/// Tells a child that its wall clock is set while it runs.
const SET: &str = "HERSH_TEST_CLOCK_IS_SET";

/// What a child does whose wall clock is set: in memory and in a file time goes on as it began.
#[test]
fn body() {
    if env::var_os(SET).is_none() {
        return;
    }
    let started = SystemTime::now();
    let farthest = Mutex::new(Duration::ZERO);
    #[allow(unused_mut, reason = "there may be one store alone")]
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::new(MemoryStore::new())];
    #[cfg(feature = "kharon-sqlite")]
    let place = Place::sqlite();
    #[cfg(feature = "kharon-sqlite")]
    stores.push(place.open());
    for store in stores {
        let kharon = Kharon::new(store, Settings::default()).unwrap();
        nothing_is_early(&kharon, |over| {
            while !over.load(Ordering::Relaxed) {
                let now = SystemTime::now();
                let away = now.duration_since(started).unwrap_or_else(|before| before.duration());
                let mut farthest = farthest.lock().unwrap();
                *farthest = away.max(*farthest);
                drop(farthest);
                thread::sleep(Duration::from_millis(5));
            }
        });
    }
    let farthest = farthest.into_inner().unwrap();
    assert!(farthest > Duration::from_secs(3000), "the clock was set by {farthest:?} at most");
}

#[test]
fn by_the_wall_clock_of_the_machine_in_memory_and_in_sqlite() {
    let Some(library) = stepped::library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    stepped::set(&clock, "+0s");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["killing::jumps::body", "--exact", "--nocapture"])
        .envs(stepped::preload(&library, &clock))
        .env(SET, "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    for ahead in ["+3600s", "+0s", "-3600s", "+0s"].iter().cycle() {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the child does not come to an end");
        }
        stepped::set(&clock, ahead);
        thread::sleep(Duration::from_millis(40));
    }
}
