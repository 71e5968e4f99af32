//! What a watcher costs, beside what the bare channels under it cost in the same run.
//!
//! `cargo bench -p hersh --bench watcher` prints a line of JSON and a line of words per figure.
//! Ratios count; the times are those of this machine at this moment.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, never, select_biased, unbounded};
use hersh::sim::Simulation;
use hersh::{Config, Watcher};

/// Messages a run; as many fit into the queues, so that nobody is measured waiting for room.
const MESSAGES: u32 = 500_000;

/// The middle of five runs: these machines are noisy.
fn median_of(mut run: impl FnMut() -> f64) -> f64 {
    let mut results: Vec<f64> = (0..5).map(|_| run()).collect();
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}

fn report(bench: &str, unit: &str, value: f64, reference: f64, bar: &str) {
    let ratio = value / reference;
    println!(
        "{bench:<44} {value:>12.1} {unit:<6} reference {reference:>10.1}  ratio {ratio:>6.2}  bar {bar}"
    );
    println!(
        "{{\"bench\":\"{bench}\",\"unit\":\"{unit}\",\"value\":{value:.3},\"reference\":{reference:.3},\"ratio\":{ratio:.3}}}"
    );
}

fn nanos_each(count: u32, run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// One message through a bare `select_biased!` over three channels, sender on another thread.
fn bare_receive() -> f64 {
    let (sender, receiver) = bounded::<u32>(MESSAGES as usize);
    let (high, low) = (never::<u32>(), never::<u32>());
    nanos_each(MESSAGES, || {
        let feeder = thread::spawn(move || (0..MESSAGES).for_each(|n| sender.send(n).unwrap()));
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

fn watcher_with(vars: usize) -> (Watcher, crossbeam_channel::Receiver<()>) {
    let (done, finished) = unbounded();
    let signal_capacity = MESSAGES as usize;
    let config = Config { max_watches: 100_000, signal_capacity, ..Config::default() };
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
    while vars > 0 && watcher.watched().iter().any(|var| var.value.is_none()) {
        thread::yield_now();
    }
    (watcher, finished)
}

/// One message through queue, reducer and a function that does nothing.
fn message(vars: usize) -> f64 {
    let (watcher, finished) = watcher_with(vars);
    nanos_each(MESSAGES, || {
        let feeder = thread::spawn(move || {
            for _ in 1..MESSAGES {
                watcher.send_message(String::new()).unwrap();
            }
            watcher.send_message("last").unwrap();
            watcher
        });
        finished.recv().unwrap();
        drop(feeder.join().unwrap());
    })
}

fn median_round_trip(mut trip: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..50_000).map(|_| nanos_each(1, &mut trip)).collect();
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

fn watcher_ping_pong() -> f64 {
    let (watcher, finished) = watcher_with(0);
    median_round_trip(|| {
        watcher.send_message("last").unwrap();
        finished.recv().unwrap();
    })
}

/// Events of a flow, one execution each.
fn flow() -> f64 {
    const COUNT: u32 = 500_000;
    let (sender, receiver) = bounded::<u32>(1024);
    let (done, finished) = unbounded();
    let watcher = Watcher::builder().build().unwrap();
    watcher
        .manage("take", move |_, ctx| {
            let event = ctx.watch_flow("events", &receiver)?;
            if event.value() == Some(&(COUNT - 1)) {
                done.send(())?;
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    nanos_each(COUNT, || {
        let feeder = thread::spawn(move || {
            (0..COUNT).for_each(|n| sender.send(n).unwrap());
            sender
        });
        finished.recv().unwrap();
        drop(feeder.join().unwrap());
    })
}

fn simulated_day() -> f64 {
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().unwrap();
    watcher
        .manage("tick", |_, ctx| {
            ctx.watch_tick("tick", Duration::from_secs(1))?;
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    let began = Instant::now();
    sim.advance(Duration::from_secs(86_400));
    began.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let bare = median_of(bare_receive);
    let none = median_of(|| message(0));
    report("message", "ns", none, bare, "<= 3");
    report("message, 1,000 variables watched", "ns", median_of(|| message(1000)), none, "<= 1.2");
    let ping = median_of(bare_ping_pong);
    report("send to executed, round trip", "ns", median_of(watcher_ping_pong), ping, "<= 2.5");
    report("flow event", "ns", median_of(flow), bare, "value <= 500 ns");
    report("simulated day of ticks", "ms", median_of(simulated_day), 500.0, "<= 1");
}
