//! How much memory a ticket takes: measured in processes of their own, which hold nothing else.

use std::env;
use std::process::Command;

use hersh::kharon::{MemoryStore, NewTicket, Store};

use crate::Plan;
use crate::report::{Bar, Report, as_f64};
use crate::work;

const ASK: &str = "HERSH_BENCH_FOOTPRINT";

/// Whether this process is to hold tickets, and nothing else.
pub(crate) fn is_asked_for() -> bool {
    env::var_os(ASK).is_some()
}

/// Holds tickets, polls some of them, and prints how much memory that took, and how much more
/// polling took at its worst.
pub(crate) fn measure() {
    let asked = env::var(ASK).unwrap();
    let (what, count) = asked.split_once(' ').unwrap();
    let count: usize = count.parse().unwrap();
    let before = resident("VmRSS:");
    if what == "store" {
        let store = MemoryStore::new();
        for start in (0..count).step_by(100) {
            let additions = (start..start + 100).map(work::addition).collect();
            drop(store.add(additions).unwrap());
        }
        let full = resident("VmRSS:");
        work::poll_time(&store, 4, 1000);
        println!("{} {}", full - before, resident("VmHWM:").saturating_sub(full));
    } else {
        let bare: std::collections::BTreeMap<(i32, u64, usize), NewTicket> =
            (0..count).map(|number| ((512, 0, number), work::addition(number).ticket)).collect();
        println!("{} 0", resident("VmRSS:") - before);
        drop(bare);
    }
}

/// A line of `/proc/self/status`, in bytes.
fn resident(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let digits: String = kilobytes.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap() * 1024
}

fn ask(what: &str, count: usize) -> (f64, f64) {
    let output = Command::new(env::current_exe().unwrap())
        .env(ASK, format!("{what} {count}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<usize>().unwrap());
    (as_f64(numbers.next().unwrap()), as_f64(numbers.next().unwrap()))
}

/// Reports it for the most tickets that the plan has waiting.
pub(crate) fn report(plan: &Plan, report: &mut Report) {
    let count = plan.waiting.iter().copied().max().unwrap_or_default() / 100 * 100;
    if !cfg!(target_os = "linux") || count < 10_000 {
        return;
    }
    let (store, spike) = ask("store", count);
    let (bare, _) = ask("bare", count);
    let each = as_f64(count);
    let name = format!("memory: a ticket of {count}, without payload");
    report.add(name, "bytes", store / each, Some(bare / each), Some(Bar::AtMost(320.0)));
    let bar = Some(Bar::AtMost(1.0));
    report.add("memory: more while polling", "MiB", spike / 1_048_576.0, None, bar);
}
