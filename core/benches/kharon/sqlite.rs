//! The store in a SQLite file, beside bare statements of the same durability.

use std::path::Path;
use std::time::{Duration, Instant};

use hersh::kharon::{Durability, SqliteOptions, SqliteStore, SystemClock};
use rusqlite::{Connection, params};

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

    /// Claims so many, having settled those from before.
    fn turn(&mut self, claimed: &mut Vec<i64>, at_most: usize) {
        let at_most = i64::try_from(at_most).unwrap();
        let transaction = self.0.transaction().unwrap();
        let mut settle =
            transaction.prepare_cached("UPDATE queue SET state = 2 WHERE number = ?1").unwrap();
        for number in claimed.drain(..) {
            settle.execute([number]).unwrap();
        }
        let mut claim = transaction
            .prepare_cached(
                "UPDATE queue SET state = 1 WHERE number IN (
                    SELECT number FROM queue WHERE state = 0 ORDER BY nice, runat, number LIMIT ?1)
                 RETURNING number, id, kind, payload",
            )
            .unwrap();
        let numbers = claim.query_map(params![at_most], |row| row.get::<_, i64>(0)).unwrap();
        claimed.extend(numbers.map(Result::unwrap));
        drop((settle, claim));
        transaction.commit().unwrap();
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

    fn poll_time(&mut self, at_most: usize, polls: usize) -> Duration {
        let mut times: Vec<Duration> = (0..polls)
            .map(|_| {
                let began = Instant::now();
                self.turn(&mut Vec::new(), at_most);
                began.elapsed()
            })
            .collect();
        percentile(&mut times, 500)
    }
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
    engine::latency(report, "sqlite", store, 2000.0);
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
    drop(bare);
    work::report_apart(report, &store, tickets / 5, name);
    // What is left is worked off from end to end.
    let (whole, _) = engine::end_to_end(store, tickets / 2);
    let bar = Some(Bar::ShareOfReference(0.5));
    report.add(name("end to end, beside the store alone"), "/s", whole, Some(value), bar);
}
