//! What a message costs, in a stream and there and back.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, never, select_biased, unbounded};
use hersh::{Config, SendError, Watcher};

use crate::common::medians_in_turn;
use crate::common::report::{Bar, Report, nanos_each};

/// Messages of one run.
const MESSAGES: u32 = 100_000;
/// A queue that takes all of them, so that the sender never waits for room.
const ENDLESS: usize = MESSAGES as usize;
/// There and back in one run.
const TRIPS: u32 = 5_000;
/// Runs of each, taken in turn.
const ROUNDS: usize = 11;

pub(crate) fn run(report: &mut Report) {
    let times = |most| Some(Bar::TimesReference(most));
    let default = Config::default().signal_capacity;
    let [bare, none, many, seen] = medians_in_turn(
        ROUNDS,
        [
            &mut || bare_receive(default),
            &mut || message(default, 0, false),
            &mut || message(default, 1000, false),
            &mut || message(default, 0, true),
        ],
    );
    let name = format!("message: queue of {default}, reducer, a function that does nothing");
    report.add(name, "ns", none, Some(bare), times(3.0));
    report.add("message: the same, 1,000 variables watched", "ns", many, Some(none), times(1.2));
    report.add("message: while its signals are looked at", "ns", seen, Some(none), None);
    let [bare, endless] = medians_in_turn(
        ROUNDS,
        [&mut || bare_receive(ENDLESS), &mut || message(ENDLESS, 0, false)],
    );
    report.add("message: into a queue that never fills", "ns", endless, Some(bare), None);

    let [bare, none, many] = medians_in_turn(
        ROUNDS,
        [&mut bare_ping_pong, &mut || ping_pong(0), &mut || ping_pong(1000)],
    );
    report.add("round trip: sent to executed, median", "ns", none, Some(bare), times(2.5));
    report.add("round trip: the same, 1,000 variables watched", "ns", many, Some(none), times(1.2));
    report.add("signals: looking at the newest 30", "us", look(), None, None);
}

/// One message through a bare `select_biased!` over three channels, sender on another thread.
fn bare_receive(capacity: usize) -> f64 {
    let (sender, receiver) = bounded::<String>(capacity);
    let (high, low) = (never::<String>(), never::<String>());
    nanos_each(MESSAGES, || {
        let feeder = thread::spawn(move || {
            for _ in 0..MESSAGES {
                // As the sender to a watcher waits for room.
                while sender.try_send(String::new()).is_err() {
                    thread::yield_now();
                }
            }
        });
        for _ in 0..MESSAGES {
            let _received = select_biased! {
                recv(high) -> value => value.map(black_box).is_ok(),
                recv(receiver) -> value => value.map(black_box).is_ok(),
                recv(low) -> value => value.map(black_box).is_ok(),
            };
        }
        feeder.join().unwrap();
    })
}

/// A watcher that says when it has executed `last`.
fn watcher(signal_capacity: usize, vars: usize) -> (Watcher, Receiver<()>) {
    let (done, finished) = unbounded();
    let config = Config { signal_capacity, ..Config::default() };
    let watcher = Watcher::builder().config(config).build().unwrap();
    watcher
        .manage("nothing", move |message, ctx| {
            match message.map(hersh::Message::content) {
                None if ctx.trigger().as_str() == "Init" => {
                    for n in 0..vars {
                        let hour = Duration::from_secs(3600);
                        ctx.watch_call(&n.to_string(), hour, || Ok::<_, String>(0_u8))?;
                    }
                }
                Some("last") => done.send(())?,
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    while watcher.stats().counters.executions == 0
        || watcher.watched().iter().any(|var| var.value.is_none())
    {
        thread::yield_now();
    }
    (watcher, finished)
}

/// Sends as a channel's sender does: when there is no room, it makes way for the receiver.
fn send(watcher: &Watcher, content: &str) {
    let mut content = content.to_owned();
    while let Err(error) = watcher.send_message(content) {
        let SendError::QueueFull { content: back, .. } = error else { panic!("{error}") };
        content = back;
        thread::yield_now();
    }
}

/// One message through queue, reducer and a function that does nothing.
fn message(capacity: usize, vars: usize, looking: bool) -> f64 {
    let (watcher, finished) = watcher(capacity, vars);
    let over = AtomicBool::new(!looking);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                black_box(watcher.recent_signals());
                thread::sleep(Duration::from_millis(1));
            }
        });
        let each = nanos_each(MESSAGES, || {
            scope.spawn(|| {
                (1..MESSAGES).for_each(|_| send(&watcher, ""));
                send(&watcher, "last");
            });
            finished.recv().unwrap();
        });
        over.store(true, Ordering::Relaxed);
        each
    })
}

fn median_round_trip(mut trip: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..TRIPS).map(|_| nanos_each(1, &mut trip)).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn bare_ping_pong() -> f64 {
    let (there, arrived) = bounded::<()>(1);
    let (back, returned) = bounded::<()>(1);
    let echo = thread::spawn(move || arrived.iter().for_each(|()| back.send(()).unwrap()));
    let median = median_round_trip(|| {
        there.send(()).unwrap();
        returned.recv().unwrap();
    });
    drop(there);
    echo.join().unwrap();
    median
}

fn ping_pong(vars: usize) -> f64 {
    let (watcher, finished) = watcher(Config::default().signal_capacity, vars);
    median_round_trip(|| {
        watcher.send_message("last").unwrap();
        finished.recv().unwrap();
    })
}

/// Microseconds for a look at the signals of a watcher that is at rest.
fn look() -> f64 {
    const LOOKS: u32 = 10_000;
    let (watcher, finished) = watcher(Config::default().signal_capacity, 0);
    (0..100).for_each(|_| send(&watcher, "a message"));
    send(&watcher, "last");
    finished.recv().unwrap();
    let began = Instant::now();
    (0..LOOKS).for_each(|_| drop(black_box(watcher.recent_signals())));
    began.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS)
}
