//! How much memory a ticket takes: measured in processes of their own, which hold nothing else.

use hersh::kharon::{MemoryStore, NewTicket, Store};

use crate::Plan;
use crate::common::process::memory;
use crate::common::{alone, report};
use crate::work;
use report::{Bar, Report, as_f64};

/// Holds tickets, polls some of them, and prints how much memory that took, and how much more
/// polling took at its worst.
pub(crate) fn measure(asked: &str) {
    let (what, count) = asked.split_once(' ').unwrap();
    let count: usize = count.parse().unwrap();
    let before = memory("VmRSS:");
    if what == "store" {
        let store = MemoryStore::new();
        for start in (0..count).step_by(100) {
            let additions = (start..start + 100).map(work::addition).collect();
            drop(store.add(additions).unwrap());
        }
        let full = memory("VmRSS:");
        work::poll_time(&store, 4, 1000);
        println!("{} {}", full - before, memory("VmHWM:").saturating_sub(full));
    } else {
        let bare: std::collections::BTreeMap<(i32, u64, usize), NewTicket> =
            (0..count).map(|number| ((512, 0, number), work::addition(number).ticket)).collect();
        println!("{} 0", memory("VmRSS:") - before);
        drop(bare);
    }
}

/// Reports it for the most tickets that the plan has waiting.
pub(crate) fn report(plan: &Plan, report: &mut Report) {
    let count = plan.waiting.iter().copied().max().unwrap_or_default() / 100 * 100;
    if !cfg!(target_os = "linux") || count < 10_000 {
        return;
    }
    let [store, spike] = alone::ask(&format!("store {count}"));
    let [bare, _] = alone::ask(&format!("bare {count}"));
    let each = as_f64(count);
    let name = format!("memory: a ticket of {count}, without payload");
    report.add(name, "bytes", store / each, Some(bare / each), Some(Bar::AtMost(320.0)));
    let bar = Some(Bar::AtMost(1.0));
    report.add("memory: more while polling", "MiB", spike / 1_048_576.0, None, bar);
}
