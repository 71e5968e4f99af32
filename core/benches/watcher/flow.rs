//! Events of a flow, one execution each.

use std::hint::black_box;
use std::thread;

use crossbeam_channel::{bounded, unbounded};
use hersh::Watcher;

use crate::common::medians_in_turn;
use crate::common::report::{Bar, Report, nanos_each};

const EVENTS: u32 = 200_000;
/// Runs of each, taken in turn.
const ROUNDS: usize = 9;
const ROOM: usize = 1024;

pub(crate) fn run(report: &mut Report) {
    let millions = |nanos: f64| 1e3 / nanos;
    let [bare, watched] = medians_in_turn(ROUNDS, [&mut bare, &mut watched]).map(millions);
    report.add("flow: events, one by one", "M/s", watched, Some(bare), Some(Bar::AtLeast(2.0)));
}

fn bare() -> f64 {
    let (sender, receiver) = bounded::<u32>(ROOM);
    nanos_each(EVENTS, || {
        let feeder = thread::spawn(move || (0..EVENTS).for_each(|n| sender.send(n).unwrap()));
        for event in &receiver {
            black_box(event);
        }
        feeder.join().unwrap();
    })
}

fn watched() -> f64 {
    let (sender, receiver) = bounded::<u32>(ROOM);
    let (done, finished) = unbounded();
    let watcher = Watcher::builder().build().unwrap();
    watcher
        .manage("take", move |_, ctx| {
            let event = ctx.watch_flow("events", &receiver)?;
            if event.value() == Some(&(EVENTS - 1)) {
                done.send(())?;
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    nanos_each(EVENTS, || {
        let feeder = thread::spawn(move || {
            (0..EVENTS).for_each(|n| sender.send(n).unwrap());
            sender
        });
        finished.recv().unwrap();
        drop(feeder.join().unwrap());
    })
}
