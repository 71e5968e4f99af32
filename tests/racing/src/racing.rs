//! Races. A flag that orders nothing lets the second thread come after the first, so that no report depends
//! on luck: a sanitizer knows a race by what is missing between two accesses, not by their meeting. Nothing
//! else may order them by accident: who lets go of a thread that has ended comes after all that it did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hersh::Watcher;

use crate::Bare;

#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wait(&self) {
        while !self.0.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}

/// Nothing but the flag between two threads.
pub(crate) fn unordered() {
    let (number, flag) = (Bare::default(), Flag::default());
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            number.add(1);
            flag.raise();
        });
        flag.wait();
        number.add(1);
        first.join().expect("no panic");
    });
}

/// Once more after the lock was let go: only who understands the lock tells the second from the first.
pub(crate) fn unlocked() {
    let (number, lock, flag) = (Bare::default(), Mutex::new(()), Flag::default());
    let locked = || {
        let guard = lock.lock();
        number.add(1);
        drop(guard);
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            locked();
            number.add(1);
            flag.raise();
        });
        flag.wait();
        locked();
        first.join().expect("no panic");
    });
}

/// Between a managed function and the thread that sent it a message.
pub(crate) fn watched() {
    let shared = Arc::new((Bare::default(), Flag::default()));
    let inner = Arc::clone(&shared);
    let watcher = Watcher::builder().build().expect("sound");
    watcher
        .manage("add", move |message, _| {
            if message.is_some() {
                inner.0.add(1);
                inner.1.raise();
            }
            Ok(())
        })
        .expect("not running");
    watcher.start().expect("starts");
    watcher.send_message("go").expect("there is room");
    shared.1.wait();
    shared.0.add(1);
    watcher.stop().expect("stops");
}
