//! What tickets cost in each store, beside what the bare thing under it costs in the same run: an
//! ordered map (and a binary heap) under a mutex, SQLite, PostgreSQL.
//!
//! `cargo bench -p hersh --bench kharon` prints a line of JSON for each figure and a table at the
//! end. Ratios count; the figures are those of this machine at this moment.
//!
//! - `HERSH_BENCH_WAITING`: how many tickets wait meanwhile (`0,10000,100000,1000000`)
//! - `HERSH_BENCH_TICKETS`: how many are added, claimed and settled for a figure (100000)
//! - `HERSH_BENCH_STORES`: which stores (`memory,sqlite,postgres`, as far as they are built in)
//! - `HERSH_TEST_POSTGRES`: the server; `tests/postgres run` brings one

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod engine;
mod footprint;
mod heap;
mod memory;
#[cfg(feature = "kharon-postgres")]
mod postgres;
#[cfg(feature = "kharon-sqlite")]
mod sqlite;
mod work;

use common::report::Report;

/// How much is measured.
pub(crate) struct Plan {
    waiting: Vec<usize>,
    tickets: usize,
    stores: Vec<String>,
}

impl Plan {
    fn from_environment() -> Self {
        let get = |name: &str, default: &str| {
            std::env::var(name).ok().filter(|text| !text.is_empty()).unwrap_or(default.to_owned())
        };
        let numbers = |text: String| text.split(',').map(|n| n.trim().parse().unwrap()).collect();
        Self {
            waiting: numbers(get("HERSH_BENCH_WAITING", "0,10000,100000,1000000")),
            tickets: get("HERSH_BENCH_TICKETS", "100000").parse().unwrap(),
            stores: get("HERSH_BENCH_STORES", "memory,sqlite,postgres")
                .split(',')
                .map(str::to_owned)
                .collect(),
        }
    }

    fn has(&self, store: &str) -> bool {
        self.stores.iter().any(|named| named == store)
    }
}

/// Lets the allocator keep what it is given back. Otherwise it is by luck of what lies where that one
/// side of a comparison gets its memory from the system anew for each statement, and the other does not.
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20)));
}

fn main() {
    if let Some(asked) = common::alone::asked() {
        return footprint::measure(&asked);
    }
    keep_memory();
    let plan = Plan::from_environment();
    let mut report = Report::default();
    if plan.has("memory") {
        memory::run(&plan, &mut report);
    }
    #[cfg(feature = "kharon-sqlite")]
    if plan.has("sqlite") {
        sqlite::run(&plan, &mut report);
    }
    #[cfg(feature = "kharon-postgres")]
    if plan.has("postgres") {
        postgres::run(&plan, &mut report);
    }
    report.print_table();
}
