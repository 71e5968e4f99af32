//! The suite that every store passes, by a clock that can be moved and by the server's own.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hersh::kharon::conformance::{Subject, checks};
use hersh::kharon::{Store, VirtualClock};

use super::server::{Schema, address};

/// The address of a server that does not wait for the disk: these checks end no server.
fn hasty(address: &str) -> String {
    format!("{address}?options=-c%20synchronous_commit%3Doff")
}

#[derive(Default)]
struct Moved {
    clock: Arc<VirtualClock>,
    schemas: Mutex<Vec<Schema>>,
}

impl Subject for Moved {
    fn fresh(&self) -> Arc<dyn Store> {
        let schema = Schema::new().unwrap();
        let clock = Arc::clone(&self.clock);
        let address = hasty(&schema.address);
        let store = schema.options().connections(2).clock(clock).connect(&address).unwrap();
        self.schemas.lock().unwrap().push(schema);
        Arc::new(store)
    }

    fn pass(&self, _store: &dyn Store, time: Duration) {
        self.clock.advance(time);
    }
}

fn take<T>(left: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    left.lock().unwrap().next()
}

#[test]
fn it_conforms_by_a_clock_that_is_moved() {
    if address().is_none() {
        return;
    }
    let left = Mutex::new(checks().into_iter());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(check) = take(&left) {
                    let subject = Moved::default();
                    check.run(&subject);
                    subject.schemas.lock().unwrap().iter().for_each(Schema::assert_in_order);
                }
            });
        }
    });
}

#[derive(Default)]
struct Real {
    schemas: Mutex<Vec<Schema>>,
}

impl Subject for Real {
    fn fresh(&self) -> Arc<dyn Store> {
        let schema = Schema::new().unwrap();
        let store = schema.options().connections(2).connect(&hasty(&schema.address)).unwrap();
        self.schemas.lock().unwrap().push(schema);
        Arc::new(store)
    }

    fn pass(&self, _store: &dyn Store, time: Duration) {
        thread::sleep(time);
    }

    fn unit(&self) -> Duration {
        Duration::from_millis(250)
    }
}

/// The clock of the database is a different piece of the statements: the checks wait for it.
#[test]
fn it_conforms_by_the_clock_of_the_server() {
    if address().is_none() {
        return;
    }
    // They wait most of the time, so they do it side by side.
    let subject = Real::default();
    thread::scope(|scope| {
        // One waits for a hundred units, and goes by nothing that the others do not go by.
        let too_long = "a_group_is_forgotten_when_its_time_has_come";
        let quick = checks().into_iter().filter(|check| check.name != too_long);
        for check in quick {
            let subject = &subject;
            scope.spawn(move || check.run(subject));
        }
    });
    subject.schemas.lock().unwrap().iter().for_each(Schema::assert_in_order);
}
