//! The store in PostgreSQL, beside the same claims and commits in bare statements.

use std::ops::Range;
use std::process;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::store::postgres::PostgresOptions;
use hersh::kharon::store::postgres::client::{Client, NoTls, Row, Statement};

use crate::common::report::{Bar, Report, microseconds, percentile, rate};
use crate::work::{self, take};
use crate::{Plan, engine};

/// How many connections settle at once.
const CONNECTIONS: usize = 4;

/// A queue as simply as can be, with the same durability: what is claimed and what is done is
/// committed.
struct Bare {
    address: String,
    schema: String,
}

const CLAIM: &str = "
    UPDATE queue SET claimed = true WHERE id IN (
        SELECT id FROM queue WHERE NOT claimed ORDER BY nice, runat, id LIMIT $1
        FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, payload";

const DONE: &str = "UPDATE queue SET done = true WHERE id = ANY($1) AND NOT done";

const INSERT: &str = "
    INSERT INTO queue (id, kind, payload, nice, runat)
    SELECT id, kind, payload, 512, 0
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS new (id, kind, payload)";

impl Bare {
    fn connect(&self) -> Client {
        let mut client = Client::connect(&self.address, NoTls).unwrap();
        client.batch_execute(&format!("SET search_path TO {}", self.schema)).unwrap();
        client
    }

    fn create(&self) {
        let mut client = Client::connect(&self.address, NoTls).unwrap();
        let schema = &self.schema;
        client
            .batch_execute(&format!(
                "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};
                 SET search_path TO {schema};
                 CREATE TABLE queue (
                    id text COLLATE \"C\" PRIMARY KEY, kind text NOT NULL, payload bytea NOT NULL,
                    nice integer NOT NULL, runat bigint NOT NULL,
                    claimed boolean NOT NULL DEFAULT false, done boolean NOT NULL DEFAULT false);
                 CREATE INDEX ON queue (nice, runat, id) WHERE NOT claimed"
            ))
            .unwrap();
    }

    /// Ends with the schema of the store too.
    fn drop_with(&self, other: &str) {
        let dropped = format!("DROP SCHEMA {} CASCADE; DROP SCHEMA {other} CASCADE", self.schema);
        self.connect().batch_execute(&dropped).unwrap();
    }

    fn add(&self, first: usize, count: usize, batch: usize) -> f64 {
        let each = count / CONNECTIONS;
        let clients: Vec<Client> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        let began = Instant::now();
        thread::scope(|scope| {
            for (thread, client) in clients.into_iter().enumerate() {
                let from = first + thread * each;
                scope.spawn(move || insert(client, from, from + each, batch));
            }
        });
        rate(each * CONNECTIONS, began.elapsed())
    }

    fn settle(&self, count: usize, batch: usize) -> f64 {
        let left = AtomicUsize::new(count / batch);
        let clients: Vec<Client> = (0..CONNECTIONS).map(|_| self.connect()).collect();
        let began = Instant::now();
        thread::scope(|scope| {
            for mut client in clients {
                let left = &left;
                scope.spawn(move || {
                    let claim = client.prepare(CLAIM).unwrap();
                    let done = client.prepare(DONE).unwrap();
                    let at_most = i64::try_from(batch).unwrap();
                    while take(left) {
                        let rows = client.query(&claim, &[&at_most]).unwrap();
                        let ids: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
                        assert_eq!(client.execute(&done, &[&ids]).unwrap(), batch as u64);
                    }
                });
            }
        });
        rate(count / batch * batch, began.elapsed())
    }

    /// As [`work::claim_then_settle`] does with the store, by one connection, and as durably: a claim
    /// alone does not wait for the disk.
    fn claim_then_settle(&self, count: usize, batch: usize) -> (f64, f64) {
        let mut client = self.connect();
        let claim = client.prepare(CLAIM).unwrap();
        let done = client.prepare(DONE).unwrap();
        let at_most = i64::try_from(batch).unwrap();
        client.batch_execute("SET synchronous_commit = off").unwrap();
        let began = Instant::now();
        let claimed: Vec<Vec<Row>> =
            (0..count / batch).map(|_| client.query(&claim, &[&at_most]).unwrap()).collect();
        let claiming = began.elapsed();
        client.batch_execute("SET synchronous_commit = on").unwrap();
        let began = Instant::now();
        for rows in claimed {
            let ids: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(client.execute(&done, &[&ids]).unwrap(), batch as u64);
        }
        (rate(count, claiming), rate(count, began.elapsed()))
    }

    /// A commit of one ticket, a thread that is woken, and its claim of the ticket.
    fn idle(&self) -> Vec<Duration> {
        let mut adder = self.connect();
        let insert = adder.prepare(INSERT).unwrap();
        engine::bare_latency(
            |number| insert_batch(&mut adder, &insert, number..number + 1),
            || {
                let mut worker = self.connect();
                worker.batch_execute("SET synchronous_commit = off").unwrap();
                let claim = worker.prepare(CLAIM).unwrap();
                move || assert_eq!(worker.query(&claim, &[&1_i64]).unwrap().len(), 1)
            },
        )
    }

    /// The median time of a claim of so many, which does not wait for the disk.
    fn poll_time(&self, at_most: usize, polls: usize) -> Duration {
        let mut client = self.connect();
        client.batch_execute("SET synchronous_commit = off").unwrap();
        let claim = client.prepare(CLAIM).unwrap();
        let at_most = i64::try_from(at_most).unwrap();
        let mut times: Vec<Duration> = (0..polls)
            .map(|_| {
                let began = Instant::now();
                client.query(&claim, &[&at_most]).unwrap();
                began.elapsed()
            })
            .collect();
        percentile(&mut times, 500)
    }
}

fn insert(mut client: Client, from: usize, to: usize, batch: usize) {
    let insert = client.prepare(INSERT).unwrap();
    for start in (from..to).step_by(batch) {
        insert_batch(&mut client, &insert, start..(start + batch).min(to));
    }
}

fn insert_batch(client: &mut Client, insert: &Statement, numbers: Range<usize>) {
    let ids: Vec<String> = numbers.map(|n| format!("ticket-{n:09}")).collect();
    let kinds = vec!["work"; ids.len()];
    let payloads: Vec<&[u8]> = vec![b""; ids.len()];
    client.execute(insert, &[&ids, &kinds, &payloads]).unwrap();
}

/// Puts so many ready tickets where the store and the bare queue have theirs: what waits is not what is
/// measured, so it is made where it is to be.
fn fill(client: &mut Client, schema: &str, waiting: usize) {
    client
        .batch_execute(&format!(
            "WITH added AS (
                INSERT INTO {schema}.tickets (id, kind, tube, payload, nice, runat, status, place,
                    attempts, ctime, mtime)
                SELECT 'ticket-' || lpad(n::text, 9, '0'), 'work', 'default', '', 512, 0, 0, 1, 0, 0, 0
                FROM generate_series(0, {waiting} - 1) AS n
                RETURNING tube, kind, nice, runat, seq)
             INSERT INTO {schema}.ready (tube, kind, nice, runat, seq)
             SELECT tube, kind, nice, runat, seq FROM added;
             INSERT INTO queue (id, kind, payload, nice, runat)
             SELECT 'ticket-' || lpad(n::text, 9, '0'), 'work', '', 512, 0
             FROM generate_series(0, {waiting} - 1) AS n;"
        ))
        .unwrap();
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let Ok(address) = std::env::var("HERSH_TEST_POSTGRES") else {
        println!("postgres: no server; for one: tests/postgres run make bench");
        return;
    };
    for &waiting in &plan.waiting {
        one(plan, report, &address, waiting);
    }
    let schema = format!("bench_{}_idle", process::id());
    let store = PostgresOptions::new().schema(&schema).connect(&address).unwrap();
    let bare = Bare { address, schema: format!("{schema}_bare") };
    bare.create();
    engine::latency(report, "postgres", store, bare.idle(), 2000.0);
    bare.drop_with(&schema);
}

fn one(plan: &Plan, report: &mut Report, address: &str, waiting: usize) {
    let name = |what: &str| format!("postgres: {what}, {waiting} waiting");
    let schema = format!("bench_{}", process::id());
    let bare = Bare { address: address.to_owned(), schema: format!("{schema}_bare") };
    bare.create();
    let store = PostgresOptions::new()
        .schema(&schema)
        .connections(CONNECTIONS)
        .listen(false)
        .connect(address)
        .unwrap();
    let tickets = plan.tickets;
    fill(&mut bare.connect(), &schema, waiting);
    let added = work::add(&store, waiting, tickets, 100, CONNECTIONS);
    let reference = bare.add(waiting, tickets, 100);
    let bar = Some(Bar::AtLeast(200_000.0));
    report.add(name("add 100 by 4 connections"), "/s", added, Some(reference), bar);
    // As a server does by itself in time.
    for table in [format!("{schema}.tickets"), format!("{schema}_bare.queue")] {
        bare.connect().batch_execute(&format!("VACUUM ANALYZE {table}")).unwrap();
    }
    let mut tens = 0.0;
    for (batch, least) in [(10, 28_000.0), (100, 100_000.0)] {
        let count = tickets / 3;
        let value = work::settle(&store, count, batch, CONNECTIONS);
        let reference = bare.settle(count, batch);
        let what = format!("claim and settle {batch} by 4 connections");
        let bar = Some(Bar::AtLeast(least));
        report.add(name(&what), "/s", value, Some(reference), bar);
        if batch == 10 {
            tens = value;
        }
    }
    let polls = 200;
    let took = microseconds(work::poll_time(&store, 4, polls));
    let reference = microseconds(bare.poll_time(4, polls));
    report.add(name("poll of 4"), "us", took, Some(reference), None);
    let bare_apart = |count, batch| bare.claim_then_settle(count, batch);
    work::report_apart(report, &store, tickets / 20, bare_apart, name);
    let (value, _) = engine::end_to_end(store, tickets / 4);
    report.add(name("end to end, beside the store alone"), "/s", value, Some(tens), None);
    bare.drop_with(&schema);
}
