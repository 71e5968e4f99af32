//! Several processes work on the tickets of one PostgreSQL.
//!
//! ```text
//! tests/postgres run cargo run -p hersh --features kharon-postgres --example tickets_many_workers
//! ```
//!
//! or with the address of a server as an argument. The first process adds a thousand tickets, starts
//! four others, and waits until all is done; it kills one of them on the way, and the tickets which
//! that one had come to the others.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, io, thread};

use hersh::kharon::store::postgres::{PostgresOptions, PostgresStore};
use hersh::kharon::store::{Addition, IfExists};
use hersh::kharon::{Kharon, NewTicket, Router, Settings, Store, StoreError};

const TICKETS: usize = 1000;
const WORKERS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", number, address] => work(number, address),
        [address] => lead(address),
        _ => match env::var("HERSH_TEST_POSTGRES") {
            Ok(address) => lead(&address),
            Err(_) => Err("where is PostgreSQL? Give its address as an argument".into()),
        },
    }
}

fn open(address: &str) -> Result<PostgresStore, StoreError> {
    PostgresOptions::new().schema("many_workers").connect(address)
}

/// Adds tickets, starts the workers, and waits.
fn lead(address: &str) -> Result<(), Box<dyn Error>> {
    let store = open(address)?;
    let additions = (0..TICKETS).map(|number| {
        let ticket = NewTicket::new(format!("square-{number}"), "square")?;
        Ok(Addition { ticket: ticket.payload(number.to_string()), if_exists: IfExists::Replace })
    });
    let additions = additions.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    for added in store.add(additions)? {
        added?;
    }
    println!("added {TICKETS} tickets");

    let worker = |number: usize| {
        Command::new(env::current_exe()?)
            .args(["worker", &number.to_string(), address])
            .stdin(Stdio::piped())
            .spawn()
    };
    let mut workers = (1..=WORKERS).map(worker).collect::<io::Result<Vec<Child>>>()?;
    let mut unlucky = Some(workers.remove(0));
    loop {
        let stats = store.stats()?;
        if let Some(mut worker) = unlucky.take_if(|_| stats.done > 100) {
            worker.kill()?;
            worker.wait()?;
            println!("worker 1 was killed; what it had comes to the others in two seconds");
        }
        if stats.pending == 0 {
            println!("{} tickets are done", stats.done);
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    for mut worker in workers {
        // The end of its input is what a worker stops at.
        drop(worker.stdin.take());
        worker.wait()?;
    }
    Ok(())
}

/// Works until the input ends.
fn work(number: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let settings = Settings { process_time: Duration::from_secs(2), ..Settings::default() };
    let kharon = Kharon::new(open(address)?, settings)?;
    let squared = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&squared);
    kharon.start(Router::new().handle("square", move |claim| {
        let number: usize = claim.payload.parse()?;
        thread::sleep(Duration::from_millis(2));
        claim.done(hersh::kharon::Options::new().payload((number * number).to_string()))?;
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }))?;
    io::stdin().lines().for_each(drop);
    kharon.stop(Duration::from_secs(5));
    println!("worker {number} has squared {} numbers", squared.load(Ordering::Relaxed));
    Ok(())
}
