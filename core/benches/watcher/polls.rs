//! A thousand polls every ten milliseconds, each of which brings a change.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hersh::Watcher;

use crate::common::alone;
use crate::common::process::{processor_time, resident_mib};
use crate::common::report::{Bar, Report, as_f64};

const VARS: usize = 1000;
const EVERY: Duration = Duration::from_millis(10);
const SETTLE: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(3);
/// The width of a class of lateness; as many classes as fill a period.
const CLASS_US: usize = 10;

pub(crate) fn run(report: &mut Report) {
    let [processor, resident, late, skipped] = alone::ask("polls");
    let [bare] = alone::ask("bare polls");
    let name = "polls: 1,000 at 10 ms, all changing";
    let bar = |at_most| Some(Bar::AtMost(at_most));
    report.add(format!("{name}: processor"), "% core", processor, Some(bare), bar(25.0));
    report.add(format!("{name}: resident"), "MiB", resident, None, bar(32.0));
    report.add(format!("{name}: lateness p99"), "ms", late, None, bar(2.0));
    report.add(format!("{name}: skipped"), "%", skipped, None, None);
}

/// How late polls came, counted in classes.
struct Lateness(Vec<AtomicU32>);

impl Lateness {
    fn new() -> Self {
        let classes = EVERY.as_micros() as usize / CLASS_US;
        Self((0..classes).map(|_| AtomicU32::new(0)).collect())
    }

    /// Counts a poll of a variable that was registered at this moment. One that is late by whole
    /// periods has skipped ticks, which are counted elsewhere.
    fn count(&self, registered: Instant) {
        let late = registered.elapsed().as_micros() % EVERY.as_micros();
        self.0[late as usize / CLASS_US].fetch_add(1, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.iter().for_each(|class| class.store(0, Ordering::Relaxed));
    }

    /// The end of the class below which 99 of 100 lie, in milliseconds.
    fn p99_ms(&self) -> f64 {
        let counts: Vec<u64> =
            self.0.iter().map(|class| class.load(Ordering::Relaxed).into()).collect();
        let most = counts.iter().sum::<u64>() * 99 / 100;
        let mut below = 0;
        let class = counts.iter().position(|count| {
            below += count;
            below >= most
        });
        as_f64((class.unwrap() + 1) * CLASS_US) / 1e3
    }
}

pub(crate) fn measure() {
    let lateness = Arc::new(Lateness::new());
    let names: Vec<String> = (0..VARS).map(|number| format!("variable {number}")).collect();
    let watcher = Watcher::builder().build().unwrap();
    let late = Arc::clone(&lateness);
    watcher
        .manage("watch", move |_, ctx| {
            let began = Instant::now();
            let first = ctx.trigger().as_str() == "Init";
            for name in &names {
                // What follows the first execution registers nothing, and need not know the time.
                let registered = if first { Instant::now() } else { began };
                let (late, mut polls) = (Arc::clone(&late), 0_u64);
                black_box(ctx.watch_call(name, EVERY, move || {
                    late.count(registered);
                    polls += 1;
                    Ok::<_, String>(polls)
                })?);
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    thread::sleep(SETTLE);
    lateness.clear();
    let (used, skipped) = (processor_time(), watcher.stats().counters.skipped_ticks);
    thread::sleep(RUN);
    let used = (processor_time() - used) / RUN.as_secs_f64() * 100.0;
    let skipped = watcher.stats().counters.skipped_ticks - skipped;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 ticks")]
    let skipped = skipped as f64 / (as_f64(VARS) * (RUN.as_secs_f64() / EVERY.as_secs_f64()));
    println!("{used} {} {} {}", resident_mib(), lateness.p99_ms(), skipped * 100.0);
}

/// The same polls on a thread that does nothing but sleep and call them.
pub(crate) fn measure_bare() {
    let mut polls: Vec<Box<dyn FnMut() -> u64>> = (0..VARS)
        .map(|_| {
            let mut polls = 0_u64;
            Box::new(move || {
                polls += 1;
                polls
            }) as Box<dyn FnMut() -> u64>
        })
        .collect();
    let (began, used) = (Instant::now(), processor_time());
    let mut due = began;
    while began.elapsed() < RUN {
        for poll in &mut polls {
            black_box((Instant::now(), poll()));
        }
        due += EVERY;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    println!("{}", (processor_time() - used) / RUN.as_secs_f64() * 100.0);
}
