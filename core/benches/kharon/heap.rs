//! The barest queue there is: a binary heap under a mutex, of what is ready. Nothing in it can be
//! found, changed, or taken from the middle.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::time::Instant;

use hersh::kharon::NewTicket;

use crate::common::report::rate;
use crate::work::addition;

struct Entry {
    key: Reverse<(i32, u64, usize)>,
    #[expect(dead_code, reason = "what a queue is there to carry")]
    ticket: NewTicket,
}

impl Entry {
    fn new(number: usize) -> Self {
        let ticket = addition(number).ticket;
        Self { key: Reverse((ticket.nice, 0, number)), ticket }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// With so many waiting: how many a second are added by hundreds, and how many taken in batches.
pub(crate) fn add_and_claim(waiting: usize, count: usize, batch: usize) -> (f64, f64) {
    let heap: Mutex<BinaryHeap<Entry>> = Mutex::new((0..waiting).map(Entry::new).collect());
    let began = Instant::now();
    for first in (waiting..waiting + count).step_by(100) {
        let entries: Vec<Entry> = (first..first + 100).map(Entry::new).collect();
        heap.lock().unwrap().extend(entries);
    }
    let adding = began.elapsed();
    let began = Instant::now();
    let claim = |_| {
        let mut heap = heap.lock().unwrap();
        std::iter::from_fn(|| heap.pop()).take(batch).collect::<Vec<Entry>>()
    };
    let claimed: Vec<Vec<Entry>> = (0..count / batch).map(claim).collect();
    let claiming = began.elapsed();
    assert_eq!(claimed.iter().map(Vec::len).sum::<usize>(), count / batch * batch);
    (rate(count.div_ceil(100) * 100, adding), rate(count / batch * batch, claiming))
}
