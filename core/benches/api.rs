//! What the WatcherAPI serves, beside a bare `tiny_http` in the same run.
//!
//! `cargo bench -p hersh --bench api` prints a line of JSON for each figure and a table at the end.
//! Server and clients share the machine, so ratios count; the rest is of this machine at this moment.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::report::{Bar, Report, as_f64};
use hersh::Watcher;

/// Connections that ask one request after another.
const CLIENTS: usize = 16;
/// How long each run asks.
const RUN: Duration = Duration::from_secs(1);
/// Runs, of which the middle one counts.
const RUNS: usize = 5;

const REQUEST: &[u8] = b"GET /watcher/status HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What one run found.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Asks until told to stop; the microseconds of every answer.
fn ask(address: SocketAddr, stop: &AtomicBool) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::new();
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        stream.write_all(REQUEST).unwrap();
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let count = stream.read(&mut buffer[filled..]).unwrap();
            assert!(count > 0, "the server closed the connection");
            filled += count;
        }
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times
}

/// Whether an answer is there to its end.
fn is_whole(answer: &[u8]) -> bool {
    let text = str::from_utf8(answer).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    body.len() == length.parse::<usize>().unwrap()
}

fn run(address: SocketAddr) -> Figures {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let mut times: Vec<f64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, &stop))).collect();
        thread::sleep(RUN);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let per_second = as_f64(times.len()) / seconds;
    Figures { per_second, p50_us: times[times.len() / 2], p99_us: times[times.len() * 99 / 100] }
}

/// The run of each whose rate is in the middle, of runs taken in turn.
fn medians<const N: usize>(addresses: [SocketAddr; N]) -> [Figures; N] {
    let mut runs = [const { Vec::new() }; N];
    for _ in 0..RUNS {
        for (runs, address) in runs.iter_mut().zip(addresses) {
            runs.push(run(address));
        }
    }
    runs.map(|mut runs| {
        runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
        runs[RUNS / 2]
    })
}

/// A bare `tiny_http` that answers the same bytes from as many threads as there are clients.
fn bare(body: &str) -> Arc<tiny_http::Server> {
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    for _ in 0..CLIENTS {
        let (server, body) = (Arc::clone(&server), body.to_owned());
        thread::spawn(move || {
            for request in server.incoming_requests() {
                drop(request.respond(tiny_http::Response::from_string(body.clone())));
            }
        });
    }
    server
}

fn main() {
    let watcher = Watcher::builder().build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    watcher.start().unwrap();
    let served = watcher.start_api_server("127.0.0.1:0").unwrap();
    let body = r#"{"state":"Ready","isRunning":true,"watcherID":"watcher-0123456789abcdef","uptime":"5m30.1s","lastUpdate":"2025-01-01T00:05:00.000Z"}"#;
    let bare = bare(body);
    let [served, reference] = medians([served, bare.server_addr().to_ip().unwrap()]);
    let mut report = Report::default();
    // Go's net/http made 67,000 a second where a bare tiny_http made 52,000.
    let bar = Some(Bar::ShareOfReference(67.0 / 52.0));
    let name = "api: status, 16 connections kept alive";
    report.add(name, "1/s", served.per_second, Some(reference.per_second), bar);
    report.add(format!("{name}: median"), "us", served.p50_us, Some(reference.p50_us), None);
    report.add(format!("{name}: p99"), "us", served.p99_us, Some(reference.p99_us), None);
    report.print_table();
    bare.unblock();
}
