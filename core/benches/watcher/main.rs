//! What a watcher costs, beside what the bare thing under it costs in the same run.
//!
//! `cargo bench -p hersh --bench watcher` prints a line of JSON for each figure and a table at the
//! end. Ratios count; the figures are those of this machine at this moment.

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

use common::report::Report;

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
    message::run(&mut report);
    flow::run(&mut report);
    simulation::run(&mut report);
    memory::run(&mut report);
    polls::run(&mut report);
    idle::run(&mut report);
    report.print_table();
}
