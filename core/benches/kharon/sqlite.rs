//! The store in a SQLite file, beside bare statements of the same durability.

use std::path::Path;
use std::time::{Duration, Instant};

use hersh::kharon::{Durability, SqliteOptions, SqliteStore, SystemClock};
use rusqlite::{Connection, Transaction, params};

use crate::common::report::{Bar, Report, microseconds, percentile, rate};
use crate::{Plan, engine, work};

/// A queue as simply as can be. What is claimed and what was settled before is one transaction: it
/// waits for the disk once.
struct Bare(Connection);

impl Bare {
    fn open(path: &Path, synchronous: &str) -> Self {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
                 PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384;
                 CREATE TABLE queue (
                    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
                    payload BLOB NOT NULL, nice INTEGER NOT NULL, runat INTEGER NOT NULL,
                    state INTEGER NOT NULL);
                 CREATE INDEX ready ON queue (nice, runat, number) WHERE state = 0;"
            ))
            .unwrap();
        Self(connection)
    }

    fn add(&mut self, first: usize, count: usize, batch: usize) -> f64 {
        let began = Instant::now();
        for start in (first..first + count).step_by(batch) {
            let transaction = self.0.transaction().unwrap();
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO queue (id, kind, payload, nice, runat, state)
                     VALUES (?1, 'work', x'', 512, 0, 0)",
                )
                .unwrap();
            for number in start..(start + batch).min(first + count) {
                insert.execute([format!("ticket-{number:09}")]).unwrap();
            }
            drop(insert);
            transaction.commit().unwrap();
        }
        rate(count, began.elapsed())
    }

    /// Claims so many, having settled those from before, in one transaction.
    fn turn(&mut self, claimed: &mut Vec<i64>, at_most: usize) {
        let transaction = self.0.transaction().unwrap();
        settle(&transaction, claimed.drain(..));
        claim(&transaction, claimed, at_most);
        transaction.commit().unwrap();
    }

    /// Claims so many. As with the store, a claim alone does not wait for the disk.
    fn claim(&mut self, at_most: usize) -> Vec<i64> {
        let mut claimed = Vec::new();
        let transaction = self.0.transaction().unwrap();
        claim(&transaction, &mut claimed, at_most);
        transaction.commit().unwrap();
        claimed
    }

    fn wait_for_disk(&self, synchronous: &str) {
        self.0.pragma_update(None, "synchronous", synchronous).unwrap();
    }

    /// As [`work::claim_then_settle`] does with the store, and as durably.
    fn claim_then_settle(&mut self, count: usize, batch: usize, synchronous: &str) -> (f64, f64) {
        self.wait_for_disk("NORMAL");
        let began = Instant::now();
        let claimed: Vec<Vec<i64>> = (0..count / batch).map(|_| self.claim(batch)).collect();
        let claiming = began.elapsed();
        self.wait_for_disk(synchronous);
        let began = Instant::now();
        for numbers in claimed {
            let transaction = self.0.transaction().unwrap();
            settle(&transaction, numbers.into_iter());
            transaction.commit().unwrap();
        }
        (rate(count, claiming), rate(count, began.elapsed()))
    }

    fn settle(&mut self, count: usize, batch: usize) -> f64 {
        let mut claimed = Vec::new();
        let began = Instant::now();
        for _ in 0..count / batch {
            self.turn(&mut claimed, batch);
        }
        self.turn(&mut claimed, 0);
        rate(count / batch * batch, began.elapsed())
    }

    /// The median time of a claim of so many, which does not wait for the disk.
    fn poll_time(&mut self, at_most: usize, polls: usize) -> Duration {
        self.wait_for_disk("NORMAL");
        let mut times: Vec<Duration> = (0..polls)
            .map(|_| {
                let began = Instant::now();
                self.claim(at_most);
                began.elapsed()
            })
            .collect();
        percentile(&mut times, 500)
    }
}

fn settle(transaction: &Transaction<'_>, numbers: impl Iterator<Item = i64>) {
    let mut settle =
        transaction.prepare_cached("UPDATE queue SET state = 2 WHERE number = ?1").unwrap();
    for number in numbers {
        settle.execute([number]).unwrap();
    }
}

fn claim(transaction: &Transaction<'_>, claimed: &mut Vec<i64>, at_most: usize) {
    let mut claim = transaction
        .prepare_cached(
            "UPDATE queue SET state = 1 WHERE number IN (
                SELECT number FROM queue WHERE state = 0 ORDER BY nice, runat, number LIMIT ?1)
             RETURNING number, id, kind, payload",
        )
        .unwrap();
    let at_most = i64::try_from(at_most).unwrap();
    let numbers = claim.query_map(params![at_most], |row| row.get::<_, i64>(0)).unwrap();
    claimed.extend(numbers.map(Result::unwrap));
}

/// A commit of one ticket, a thread that is woken, and its claim of the ticket.
fn idle(folder: &Path) -> Vec<Duration> {
    let path = folder.join("bare.db");
    let mut adder = Bare::open(&path, "FULL");
    engine::bare_latency(
        |number| _ = adder.add(number, 1, 1),
        || {
            let mut worker = Bare(Connection::open(&path).unwrap());
            worker.wait_for_disk("NORMAL");
            move || assert_eq!(worker.claim(1).len(), 1)
        },
    )
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    for &waiting in &plan.waiting {
        for (durability, synchronous) in
            [(Durability::Normal, "NORMAL"), (Durability::Full, "FULL")]
        {
            one(plan, report, waiting, durability, synchronous);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("idle.db")).unwrap();
    engine::latency(report, "sqlite", store, idle(folder.path()), 2000.0);
}

fn one(
    plan: &Plan,
    report: &mut Report,
    waiting: usize,
    durability: Durability,
    synchronous: &str,
) {
    let name = |what: &str| format!("sqlite {synchronous}: {what}, {waiting} waiting");
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { durability, ..SqliteOptions::default() };
    let path = folder.path().join("tickets.db");
    let store = SqliteStore::open_with(path, &options, SystemClock::new()).unwrap();
    let mut bare = Bare::open(&folder.path().join("bare.db"), synchronous);
    let (fill, tickets) = (1000.min(waiting.max(1)), plan.tickets);
    work::add(&store, 0, waiting, fill, 1);
    bare.add(0, waiting, fill);
    let added = work::add(&store, waiting, tickets, 100, 4);
    let reference = bare.add(waiting, tickets, 100);
    let flushed = durability == Durability::Full;
    let bar = flushed.then_some(Bar::AtLeast(400_000.0));
    report.add(name("add 100 by 4 threads"), "/s", added, Some(reference), bar);
    let value = work::settle(&store, tickets / 2, 10, 1);
    let reference = bare.settle(tickets / 2, 10);
    let bar = Some(Bar::AtLeast(if flushed { 40_000.0 } else { 180_000.0 }));
    report.add(name("claim and settle 10"), "/s", value, Some(reference), bar);
    let took = microseconds(work::poll_time(&store, 4, 200));
    let reference = microseconds(bare.poll_time(4, 200));
    report.add(name("poll of 4"), "us", took, Some(reference), None);
    let bare_apart = |count, batch| bare.claim_then_settle(count, batch, synchronous);
    work::report_apart(report, &store, tickets / 5, bare_apart, name);
    drop(bare);
    // What is left is worked off from end to end.
    let (whole, _) = engine::end_to_end(store, tickets / 2);
    let bar = Some(Bar::ShareOfReference(0.5));
    report.add(name("end to end, beside the store alone"), "/s", whole, Some(value), bar);
}
