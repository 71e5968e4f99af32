//! Messages while other things happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::witness::{Witness, was_stopped};
use super::{explored, small};
use crate::brain::{Ending, Event};
use crate::drive::{Awaited, Woken};
use crate::sync::channel::bounded;
use crate::sync::thread;
use crate::{Config, Message, SendError, State, StopOptions};

#[test]
fn messages_a_stop_and_a_kill_at_once() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, _| Ok(()));
        let mut threads = Vec::new();
        for sender in ["a", "b"] {
            let (witness, watcher) = (witness.clone(), watcher.clone());
            threads.push(thread::spawn(move || witness.send(&watcher, sender, 2)));
        }
        let stopper = watcher.clone();
        threads.push(thread::spawn(move || {
            if let Ok(report) = stopper.stop() {
                assert!(was_stopped(report.state));
            }
        }));
        let killer = watcher.clone();
        threads.push(thread::spawn(move || {
            killer.kill();
            assert!(killer.state().is_terminal(), "a kill does not wait");
        }));
        for thread in threads {
            thread.join().expect("every call returns");
        }
        assert!(was_stopped(witness.check_end(&watcher).state));
    });
}

#[test]
fn messages_and_two_stops_at_once() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, _| Ok(()));
        let stoppers = [true, false].map(|drain| {
            let watcher = watcher.clone();
            thread::spawn(move || watcher.stop_with(StopOptions { drain, timeout: None }).is_ok())
        });
        witness.send(&watcher, "a", 3);
        let stopped = stoppers.map(|stopper| stopper.join().expect("every call returns"));
        let report = witness.check_end(&watcher);
        assert_eq!(stopped, [report.state == State::Stopped; 2], "both are told the same");
    });
}

#[test]
fn a_full_queue_gives_way_or_times_out() {
    explored(|| {
        let witness = Witness::default();
        let mut config = small();
        config.signal_capacity = 1;
        let watcher = witness.start(config, |_, _| Ok(()));
        let senders = ["a", "b"].map(|sender| {
            let (witness, watcher) = (witness.clone(), watcher.clone());
            thread::spawn(move || {
                for number in 1..=2 {
                    let content = format!("{sender}{number}");
                    let limit = Duration::from_millis(10);
                    let answer = watcher.send_message_timeout(content.clone(), limit);
                    match witness.sent(&content, answer) {
                        Ok(()) => {}
                        Err(SendError::QueueFull { content: back, capacity }) => {
                            assert_eq!((back, capacity), (content, 1));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        for sender in senders {
            sender.join().expect("every call returns");
        }
        let drained = watcher.stop_with(StopOptions { drain: true, timeout: None });
        let report = witness.check_end(&watcher);
        assert!(drained.is_err() || report.unserved.is_empty(), "drained in good order");
    });
}

#[test]
fn a_sender_that_waits_for_room_is_woken_for_room_alone() {
    explored(|| {
        let witness = Witness::default();
        let (release, released) = bounded::<()>(1);
        let (entered, inside) = bounded::<()>(1);
        let config = Config { signal_capacity: 1, ..small() };
        let watcher = witness.start(config, move |message, _| {
            if message.is_some_and(|message| message.content() == "a1") {
                entered.send(()).expect("room for one");
                released.recv().expect("it is released");
            }
            Ok(())
        });
        witness.send(&watcher, "a", 1);
        inside.recv().expect("it serves a message");
        witness.send(&watcher, "b", 1);
        let looks = Arc::new(AtomicU32::new(0));
        let (waiting, looked) = (watcher.clone(), Arc::clone(&looks));
        let waiter = thread::spawn(move || {
            let cell = waiting.cell();
            cell.body.wait(cell, None, Awaited::Room, &mut |_| {
                looked.fetch_add(1, Ordering::SeqCst);
                cell.intake.would_answer()
            })
        });
        // It looks under the lock that it then waits with: whoever has it next finds it waiting.
        while looks.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        for _ in 0..3 {
            let unknown = Event::Returned { execution: u64::MAX, ending: Ending::Done };
            assert!(watcher.cell().feed(unknown).is_err(), "a change, and no room");
            thread::yield_now();
        }
        assert_eq!(looks.load(Ordering::SeqCst), 1);
        release.send(()).expect("it waits for this");
        assert_eq!(waiter.join().expect("every call returns"), Woken::Satisfied);
        assert_eq!(looks.load(Ordering::SeqCst), 2);
        drop(watcher.stop());
        witness.check_end(&watcher);
    });
}

#[test]
fn a_function_may_send_to_itself() {
    explored(|| {
        let witness = Witness::default();
        let inside = witness.clone();
        let watcher = crate::Watcher::builder().config(small()).seed(7).build().expect("sound");
        let weak = watcher.downgrade();
        witness.manage(&watcher, move |message, _| {
            if let (Some("b1"), Some(own)) = (message.map(Message::content), weak.upgrade()) {
                inside.send(&own, "a", 3);
                let waited = own.send_message_timeout("c1", Duration::from_secs(1));
                // Nobody else could make room: it is answered at once.
                let _ = inside.sent("c1", waited);
                own.request_stop("enough");
            }
            Ok(())
        });
        watcher.start().expect("starts");
        witness.send(&watcher, "b", 1);
        witness.check_end(&watcher);
    });
}
