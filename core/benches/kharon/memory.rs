//! The store in memory, beside an ordered map under a mutex.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::{MemoryStore, NewTicket};

use crate::common::report::{Bar, Report, microseconds, percentile, rate};
use crate::work::{self, addition, take};
use crate::{Plan, engine, footprint, heap};

/// A ticket as simply as can be, in the order in which it goes.
type Bare = Mutex<BTreeMap<(i32, u64, usize), NewTicket>>;

fn bare_add(bare: &Bare, first: usize, count: usize, batch: usize) -> f64 {
    let began = Instant::now();
    for start in (first..first + count).step_by(batch) {
        let tickets: Vec<_> =
            (start..(start + batch).min(first + count)).map(|n| (n, addition(n).ticket)).collect();
        let mut map = bare.lock().unwrap();
        for (number, ticket) in tickets {
            map.insert((ticket.nice, 0, number), ticket);
        }
    }
    rate(count, began.elapsed())
}

/// Takes from the front, and puts a mark behind that says that it was done.
fn bare_settle(bare: &Bare, count: usize, batch: usize, threads: usize) -> f64 {
    let left = AtomicUsize::new(count / batch);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while take(&left) {
                    let claimed = bare_poll(bare, batch);
                    let mut map = bare.lock().unwrap();
                    for ((_, _, number), ticket) in claimed {
                        map.insert((i32::MAX, u64::MAX, number), ticket);
                    }
                }
            });
        }
    });
    rate(count, began.elapsed())
}

/// Claims so many, and then settles them, as [`work::claim_then_settle`] does with a store.
fn bare_claim_then_settle(bare: &Bare, count: usize, batch: usize) -> (f64, f64) {
    let began = Instant::now();
    let claimed: Vec<_> = (0..count / batch).map(|_| bare_poll(bare, batch)).collect();
    let claiming = began.elapsed();
    let began = Instant::now();
    for tickets in claimed {
        let mut map = bare.lock().unwrap();
        for ((_, _, number), ticket) in tickets {
            map.insert((i32::MAX, u64::MAX, number), ticket);
        }
    }
    (rate(count, claiming), rate(count, began.elapsed()))
}

/// One thread adds, and four take one after the other away.
fn bare_end_to_end(bare: &Bare, first: usize, count: usize) -> f64 {
    let left = AtomicUsize::new(count);
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| bare_add(bare, first, count, 100));
        for _ in 0..4 {
            scope.spawn(|| {
                while take(&left) {
                    while bare_poll(bare, 1).is_empty() {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    rate(count, began.elapsed())
}

fn bare_poll(bare: &Bare, at_most: usize) -> Vec<((i32, u64, usize), NewTicket)> {
    let mut map = bare.lock().unwrap();
    std::iter::from_fn(|| map.pop_first()).take(at_most).collect()
}

/// Rates in memory are the best of so many rounds, both of the store and of the reference: what else
/// the machine does takes away more than a round lasts.
const ROUNDS: usize = 10;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let mut polls_at = Vec::new();
    for &waiting in &plan.waiting {
        let name = |what: &str| format!("memory: {what}, {waiting} waiting");
        let (store, bare) = (MemoryStore::new(), Arc::new(Bare::default()));
        work::add(&store, 0, waiting, 100, 1);
        bare_add(&bare, 0, waiting, 100);
        let tickets = plan.tickets;
        let part = tickets / ROUNDS;
        let (mut added, mut bare_added) = (0.0_f64, 0.0_f64);
        for first in (0..ROUNDS).map(|round| waiting + round * part) {
            added = added.max(work::add(&store, first, part, 100, 1));
            bare_added = bare_added.max(bare_add(&bare, first, part, 100));
        }
        let bar = Some(Bar::AtLeast(1_500_000.0));
        report.add(name("add in batches of 100"), "/s", added, Some(bare_added), bar);
        let polls = 1000.min((waiting + tickets) / 8);
        let took = work::poll_time(&store, 4, polls);
        let mut times: Vec<Duration> = (0..polls)
            .map(|_| {
                let began = Instant::now();
                let claimed = bare_poll(&bare, 4);
                let took = began.elapsed();
                drop(claimed);
                took
            })
            .collect();
        let bare_took = percentile(&mut times, 500);
        polls_at.push((waiting, microseconds(took)));
        let reference = Some(microseconds(bare_took));
        let bar = (waiting >= 1_000_000).then_some(Bar::AtMost(5.0));
        report.add(name("poll of 4"), "us", microseconds(took), reference, bar);
        for (batch, threads) in [(1, 4), (10, 4)] {
            let count = tickets / 4 / ROUNDS;
            let (mut value, mut reference) = (0.0_f64, 0.0_f64);
            for _ in 0..ROUNDS {
                value = value.max(work::settle(&store, count, batch, threads));
                reference = reference.max(bare_settle(&bare, count, batch, threads));
            }
            let what = format!("claim and settle {batch} by 4 threads");
            report.add(name(&what), "/s", value, Some(reference), None);
        }
        let bare_apart = |count, batch| bare_claim_then_settle(&bare, count, batch);
        let claimed = work::report_apart(report, &store, tickets / 4, bare_apart, name);
        let (heap_added, heap_claimed) = heap::add_and_claim(waiting, tickets, 10);
        report.add(name("add, beside a binary heap"), "/s", added, Some(heap_added), None);
        report.add(name("claim 10, beside a binary heap"), "/s", claimed, Some(heap_claimed), None);
        let (value, cpu) = engine::end_to_end(store, tickets);
        let reference = bare_end_to_end(&bare, waiting + tickets, tickets);
        let bar = Some(Bar::AtLeast(600_000.0));
        report.add(name("end to end by 4 workers"), "/s", value, Some(reference), bar);
        report.add(name("end to end, processor time each"), "us", cpu, None, None);
    }
    let bare = Bare::default();
    let idle = engine::bare_latency(
        |number| _ = bare_add(&bare, number, 1, 1),
        || || assert_eq!(bare_poll(&bare, 1).len(), 1),
    );
    engine::latency(report, "memory", MemoryStore::new(), idle, 50.0);
    let of = |size| polls_at.iter().find(|(waiting, _)| *waiting == size).map(|(_, took)| *took);
    if let (Some(small), Some(large)) = (of(10_000), of(1_000_000)) {
        let what = "memory: poll of 4 at a million, beside at 10000";
        report.add(what, "us", large, Some(small), Some(Bar::TimesReference(4.0)));
    }
    footprint::report(plan, report);
}
