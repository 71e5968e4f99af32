//! What the host costs: a deploy beside the same done by hand on the same engine, and a thousand
//! programs on an engine in memory.
//!
//! `cargo bench -p hersh-cli --bench host` prints a line of JSON for each figure and a table at the
//! end; after `--` come the names of parts, when not all are wanted. Ratios count; the figures are
//! those of this machine at this moment.
//!
//! - `HERSH_TEST_DOCKER_HOST`: an engine with gVisor; `tests/engine run` brings one

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../../../core/benches/common/mod.rs"]
mod common;
#[path = "../../tests/it/real/compile.rs"]
mod compile;
mod deploy;
mod hand;
mod many;

use std::env;
use std::net::SocketAddr;

use common::report::Report;
use hersh::http::Gate;
use hersh_cli::host::Host;
use hersh_cli::host::api::{ApiConfig, serve};
use hersh_cli::host::auth::Auth;

type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 2] = [("many", many::run), ("deploy", deploy::run)];

fn main() {
    match common::alone::asked().as_deref() {
        Some("many") => return many::measure(),
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

/// The host's API, open to this machine.
fn serve_open(host: &Host) -> Gate {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    serve(host.clone(), ApiConfig::new(loopback, Auth::open(loopback).unwrap())).unwrap()
}
