//! What a watcher costs, beside what the bare thing under it costs in the same run.
//!
//! `cargo bench -p hersh --bench watcher` prints a line of JSON for each figure and a table at the
//! end; after `--` come the names of parts, when not all are wanted. Ratios count; the figures are
//! those of this machine at this moment.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod flow;
mod idle;
mod memory;
mod message;
mod polls;
mod simulation;
mod size;

use std::env;

use common::report::Report;

type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 7] = [
    ("message", message::run),
    ("flow", flow::run),
    ("simulation", simulation::run),
    ("memory", memory::run),
    ("polls", polls::run),
    ("idle", idle::run),
    ("size", size::run),
];

fn main() {
    match common::alone::asked().as_deref() {
        Some("memory") => return memory::measure(),
        Some("polls") => return polls::measure(),
        Some("bare polls") => return polls::measure_bare(),
        Some("idle") => return idle::measure(),
        Some(other) => panic!("nothing here measures {other:?}"),
        None => {}
    }
    let mut report = Report::default();
    // Cargo itself adds an option.
    let wanted: Vec<String> = env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for (name, run) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run(&mut report);
        }
    }
    report.print_table();
}
