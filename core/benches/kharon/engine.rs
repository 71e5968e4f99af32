//! The whole way: add, claim, handle, settle, by a Kharon with four workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::{Kharon, NewTicket, Router, Settings, Store};

use crate::common::report::{Bar, Report, as_f64, microseconds, percentile, rate};
use crate::work;

/// Numbers of tickets that no other part of the bench uses.
const FIRST: usize = 500_000_000;

/// Adds so many tickets while four workers run as many, so that there wait as many afterwards as
/// before. How many a second, from the first one added to the last one settled; and the processor
/// time that each took of all threads, in microseconds.
pub(crate) fn end_to_end(store: impl Store, tickets: usize) -> (f64, f64) {
    let kharon = Kharon::new(store, Settings::default()).unwrap();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let router = Router::new().handle("work", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    kharon.start(router).unwrap();
    let (began, used) = (Instant::now(), processor_time());
    for start in (FIRST..FIRST + tickets).step_by(100) {
        let additions = (start..(start + 100).min(FIRST + tickets)).map(work::addition);
        let added = kharon.add_all(additions.collect()).unwrap();
        assert!(added.iter().all(Result::is_ok));
    }
    while handled.load(Ordering::Relaxed) < tickets {
        thread::sleep(Duration::from_micros(200));
    }
    let report = kharon.stop(Duration::from_secs(60));
    let (took, used) = (began.elapsed(), processor_time().saturating_sub(used));
    assert_eq!((report.still_running, report.unsaved), (0, 0));
    (rate(tickets, took), microseconds(used) / as_f64(tickets))
}

/// What all threads of this process have used.
fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// How many times it is measured how long an idle Kharon takes.
const SAMPLES: usize = 300;

/// So long that everybody sleeps again.
const PAUSE: Duration = Duration::from_millis(4);

/// From `add` to the handler, where nothing else is to be done: the median, and p99; beside the same of
/// bare parts.
pub(crate) fn latency(
    report: &mut Report,
    name: &str,
    store: impl Store,
    mut bare: Vec<Duration>,
    bar: f64,
) {
    let kharon = Kharon::new(store, Settings::default()).unwrap();
    let (send, receive) = channel();
    kharon.start(Router::new().handle("work", move |_| Ok(send.send(Instant::now())?))).unwrap();
    let mut samples: Vec<Duration> = (0..SAMPLES)
        .map(|number| {
            thread::sleep(PAUSE);
            let ticket = NewTicket::new(format!("idle-{number}"), "work").unwrap();
            let began = Instant::now();
            kharon.add(ticket).unwrap();
            receive.recv().unwrap().duration_since(began)
        })
        .collect();
    kharon.stop(Duration::from_secs(10));
    for (what, per_mille) in [("median", 500), ("p99", 990)] {
        let value = microseconds(percentile(&mut samples, per_mille));
        let reference = Some(microseconds(percentile(&mut bare, per_mille)));
        let bar = (what == "median").then_some(Bar::AtMost(bar));
        report.add(format!("{name}: idle, add to handler, {what}"), "us", value, reference, bar);
    }
}

/// The bare way of a ticket to an idle worker: one thread adds it by `add`, a channel wakes another,
/// and that takes it by `take`, which is made there.
pub(crate) fn bare_latency<T: FnMut()>(
    mut add: impl FnMut(usize),
    make_take: impl FnOnce() -> T + Send,
) -> Vec<Duration> {
    let (send, receive) = channel::<Instant>();
    let (tell, told) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut take = make_take();
            for began in receive {
                take();
                tell.send(began.elapsed()).unwrap();
            }
        });
        let samples = (0..SAMPLES).map(|number| {
            thread::sleep(PAUSE);
            let began = Instant::now();
            add(number);
            send.send(began).unwrap();
            told.recv().unwrap()
        });
        let samples = samples.collect();
        drop(send);
        samples
    })
}
