//! What is left of messages that have been served.

use std::thread;

use hersh::{SendError, Watcher};

use crate::common::alone;
use crate::common::process::memory;
use crate::common::report::{Bar, Report};

const MESSAGES: u32 = 1_000_000;
/// As many as fill every ring and queue.
const WARM_UP: u32 = 20_000;

pub(crate) fn run(report: &mut Report) {
    let [growth, before] = alone::ask("memory");
    let bar = Some(Bar::AtMost(2.0 * 1_048_576.0));
    report.add("memory: after a million messages", "bytes", growth, Some(before), bar);
}

pub(crate) fn measure() {
    let watcher = Watcher::builder().build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    watcher.start().unwrap();
    serve(&watcher, WARM_UP);
    let before = memory("VmRSS:");
    serve(&watcher, MESSAGES);
    println!("{} {before}", memory("VmRSS:").saturating_sub(before));
}

fn serve(watcher: &Watcher, count: u32) {
    for number in 0..count {
        let mut content = format!("message {number}");
        while let Err(SendError::QueueFull { content: back, .. }) = watcher.send_message(content) {
            content = back;
            thread::yield_now();
        }
    }
    while watcher.stats().queue.user > 0 {
        thread::yield_now();
    }
}
