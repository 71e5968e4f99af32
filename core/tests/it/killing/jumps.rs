//! Clocks that jump by an hour, ahead and back, while tickets wait: none is early.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::{
    Clock, Kharon, MemoryStore, NewTicket, Router, Settings, Store, SystemClock, Timestamp,
};

use super::child::id;
use super::place::Place;

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

/// When a ticket is ready is the store's to say, whatever a worker thinks what time it is.
fn nothing_is_early(store: Arc<dyn Store>) {
    const TICKETS: usize = 60;
    let clock = Arc::new(Jumping { steady: SystemClock::new(), ahead_micros: AtomicI64::new(0) });
    let kharon = Kharon::with_clock(store, Settings::default(), Arc::clone(&clock)).unwrap();
    let begun = Arc::new(Mutex::new(HashMap::new()));
    let (send, receive) = channel();
    let added = Arc::clone(&begun);
    let handler = move |claim: &hersh::kharon::Claim| {
        let (at, delay): (Instant, Duration) = added.lock().unwrap()[claim.id.as_str()];
        let late = claim.mtime >= claim.runat && at.elapsed() >= delay;
        send.send((claim.id.to_string(), late))?;
        Ok(())
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for ahead in [HOUR, 0, -HOUR, 0].iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                clock.ahead_micros.store(*ahead, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(3));
            }
        });
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

#[test]
fn in_memory() {
    nothing_is_early(Arc::new(MemoryStore::new()));
}

#[cfg(feature = "kharon-postgres")]
#[test]
fn in_postgres() {
    if let Some(place) = Place::postgres() {
        nothing_is_early(place.open());
    }
}

#[cfg(feature = "kharon-sqlite")]
#[test]
fn in_sqlite() {
    nothing_is_early(Place::sqlite().open());
}
