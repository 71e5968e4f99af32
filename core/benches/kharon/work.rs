//! What is done to every store, to be timed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{Label, NewTicket, Status, Store, Ticket};

use crate::common::report::{Report, percentile, rate};

/// Adds so many ready tickets, the first of that number, in batches, from so many threads, which
/// take turns. How many a second.
pub(crate) fn add(
    store: &dyn Store,
    first: usize,
    count: usize,
    batch: usize,
    threads: usize,
) -> f64 {
    let next = AtomicUsize::new(first);
    let end = first + count;
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let start = next.fetch_add(batch, Ordering::Relaxed);
                    if start >= end {
                        return;
                    }
                    let additions = (start..(start + batch).min(end)).map(addition);
                    let added = store.add(additions.collect()).unwrap();
                    assert!(added.iter().all(Result::is_ok));
                }
            });
        }
    });
    rate(count, began.elapsed())
}

pub(crate) fn addition(number: usize) -> Addition {
    let ticket = NewTicket::new(format!("ticket-{number:09}"), "work").unwrap();
    Addition { ticket, if_exists: IfExists::Refuse }
}

pub(crate) fn poll(at_most: usize) -> Poll {
    Poll {
        tubes: vec![Label::default_tube()],
        at_most,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    }
}

fn done(ticket: &Ticket) -> Update {
    let change = Change::Finish {
        status: Status::Done,
        keep: true,
        expire_in: None,
        reason: None,
        payload: None,
    };
    Update { id: ticket.id.clone(), token: ticket.token(), change }
}

/// Claims and settles so many tickets in batches, from so many threads, each settling what it has
/// while it claims more. How many a second.
pub(crate) fn settle(store: &dyn Store, count: usize, batch: usize, threads: usize) -> f64 {
    let left = AtomicUsize::new(count / batch);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let poll = poll(batch);
                let mut claimed: Vec<Ticket> = Vec::new();
                while take(&left) {
                    let turn = store.turn(claimed.iter().map(done).collect(), &poll);
                    assert!(turn.updated.unwrap().iter().all(Result::is_ok));
                    claimed = turn.polled.unwrap().tickets;
                    assert_eq!(claimed.len(), batch, "tickets are missing");
                }
                let settled = store.update(claimed.iter().map(done).collect()).unwrap();
                assert!(settled.iter().all(Result::is_ok));
            });
        }
    });
    rate(count / batch * batch, began.elapsed())
}

/// Claims so many tickets in batches, and then settles them, each apart from the other. How many a
/// second are claimed, and how many settled.
pub(crate) fn claim_then_settle(store: &dyn Store, count: usize, batch: usize) -> (f64, f64) {
    let poll = poll(batch);
    let began = Instant::now();
    let claimed: Vec<Vec<Ticket>> =
        (0..count / batch).map(|_| store.poll_pending(&poll).unwrap().tickets).collect();
    let claiming = began.elapsed();
    assert!(claimed.iter().all(|tickets| tickets.len() == batch), "tickets are missing");
    let began = Instant::now();
    for tickets in &claimed {
        let settled = store.update(tickets.iter().map(done).collect()).unwrap();
        assert!(settled.iter().all(Result::is_ok));
    }
    let count = count / batch * batch;
    (rate(count, claiming), rate(count, began.elapsed()))
}

/// Reports claiming and settling tens by one thread, each apart, beside what both cost barely. How many
/// a second are claimed.
pub(crate) fn report_apart(
    report: &mut Report,
    store: &dyn Store,
    count: usize,
    bare: impl FnOnce(usize, usize) -> (f64, f64),
    name: impl Fn(&str) -> String,
) -> f64 {
    let (claimed, settled) = claim_then_settle(store, count, 10);
    let (bare_claimed, bare_settled) = bare(count, 10);
    report.add(name("claim 10, apart"), "/s", claimed, Some(bare_claimed), None);
    report.add(name("settle 10, apart"), "/s", settled, Some(bare_settled), None);
    claimed
}

/// Takes one of what is left, if there is one.
pub(crate) fn take(left: &AtomicUsize) -> bool {
    let one_less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
}

/// The median time of a poll of so many; each claims other tickets.
pub(crate) fn poll_time(store: &dyn Store, at_most: usize, polls: usize) -> Duration {
    let poll = poll(at_most);
    let mut times: Vec<Duration> = (0..polls)
        .map(|_| {
            let began = Instant::now();
            let tickets = store.poll_pending(&poll).unwrap().tickets;
            let took = began.elapsed();
            assert_eq!(tickets.len(), at_most, "tickets are missing");
            took
        })
        .collect();
    percentile(&mut times, 500)
}
