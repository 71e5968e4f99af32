//! What a watcher takes that has nothing to do.

use std::thread;
use std::time::Duration;

use hersh::{Config, State, Watcher};

use crate::common::alone;
use crate::common::process::{resident_mib, sleeps, threads};
use crate::common::report::{Bar, Report, as_f64};

/// After an execution, time is looked at once more: when it would have timed out.
const TIMEOUT: Duration = Duration::from_millis(300);
const RUN: Duration = Duration::from_secs(3);

pub(crate) fn run(report: &mut Report) {
    let [resident, empty, threads, wake_ups] = alone::ask("idle");
    let bar = |at_most| Some(Bar::AtMost(at_most));
    report.add("idle, with its API: resident", "MiB", resident, Some(empty), bar(4.0));
    report.add("idle, with its API: threads", "", threads, Some(1.0), bar(4.0));
    report.add("idle, with its API: wake-ups", "1/s", wake_ups, None, bar(0.0));
}

pub(crate) fn measure() {
    let empty = resident_mib();
    let config = Config { default_timeout: TIMEOUT, ..Config::default() };
    let watcher = Watcher::builder().config(config).build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    watcher.start().unwrap();
    watcher.start_api_server("127.0.0.1:0").unwrap();
    assert!(watcher.wait_for(State::Ready, None));
    thread::sleep(3 * TIMEOUT);
    let before = sleeps();
    thread::sleep(RUN);
    // One of them is this thread's own.
    let wake_ups = as_f64(sleeps() - before - 1) / RUN.as_secs_f64();
    println!("{} {empty} {} {wake_ups}", resident_mib(), threads());
}
