//! A thousand programs that are Ready, on an engine in memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hersh_cli::host::engine::FakeEngine;
use hersh_cli::host::{Host, HostConfig, ListFilter, NewProgram};
use hersh_cli::program::State;

use crate::common::alone;
use crate::common::process::{resident_mib, threads};
use crate::common::report::{Bar, Report, as_f64, microseconds, percentile};
use crate::serve_open;

const PROGRAMS: usize = 1_000;
const LISTS: usize = 1_000;
/// Enough for all of them on a slow machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// After this long without work, threads that wait for more have gone.
const REST: Duration = Duration::from_secs(15);

pub(crate) fn run(report: &mut Report) {
    let [listed, bare, resident, empty, threads, before] = alone::ask("many");
    let name = |what: &str| format!("{PROGRAMS} programs: {what}");
    let at_most = |bar| Some(Bar::AtMost(bar));
    report.add(name("list over HTTP, p99"), "ms", listed, Some(bare), at_most(10.0));
    report.add(name("resident"), "MiB", resident, Some(empty), at_most(64.0));
    report.add(name("threads when idle"), "", threads, Some(before), at_most(32.0));
}

/// In a process of its own: prints each figure beside that of a host without a program. The process
/// is engine and client, too.
pub(crate) fn measure() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::new();
    let open = |_: &_, _: &_, _: &_| -> Arc<dyn hersh_cli::host::engine::Engine> {
        Arc::new(engine.clone())
    };
    let host = Host::open_with(HostConfig::new(dir.path()), open).unwrap();
    let gate = serve_open(&host);
    let mut client = TcpStream::connect(gate.local_addr()).unwrap();
    client.set_nodelay(true).unwrap();
    let none = p99(&mut client, 0);
    let (empty, before) = (resident_mib(), threads());
    start_all(&host, &engine);
    let all = p99(&mut client, PROGRAMS);
    drop(client);
    thread::sleep(REST);
    let (resident, threads) = (resident_mib(), as_f64(threads()));
    println!("{all} {none} {resident} {empty} {threads} {}", as_f64(before));
}

fn start_all(host: &Host, engine: &FakeEngine) {
    for number in 0..PROGRAMS {
        let owner = format!("user{}", number % 10).parse().unwrap();
        let mut new = NewProgram::new(owner, format!("FROM scratch\nLABEL number={number}\n"));
        new.name = Some(format!("program-{number}"));
        new.files.insert("main.py".into(), b"print()".to_vec());
        let id = host.create(new).unwrap().program_id;
        host.start(&id).unwrap();
    }
    let began = Instant::now();
    let all_ready = || {
        let programs = host.list(&ListFilter::default()).programs;
        programs.iter().all(|program| program.state == State::Ready)
    };
    while !all_ready() {
        assert!(began.elapsed() < PATIENCE, "only {} run", engine.running());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(engine.running(), PROGRAMS);
}

/// Milliseconds within which 99 of 100 lists of so many programs are there whole.
fn p99(client: &mut TcpStream, count: usize) -> f64 {
    let end = format!("\"count\":{count}}}");
    let mut answer = Vec::new();
    let list = |_| {
        let began = Instant::now();
        list(client, &mut answer);
        let took = began.elapsed();
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(end.as_bytes()));
        took
    };
    let mut times: Vec<Duration> = (0..LISTS).map(list).collect();
    microseconds(percentile(&mut times, 990)) / 1e3
}

fn list(client: &mut TcpStream, answer: &mut Vec<u8>) {
    client.write_all(b"GET /programs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    answer.clear();
    let mut buffer = [0; 16 << 10];
    while whole_length(answer).is_none_or(|length| answer.len() < length) {
        let count = client.read(&mut buffer).unwrap();
        assert!(count > 0, "the host closed the connection");
        answer.extend_from_slice(&buffer[..count]);
    }
}

/// How long the answer is, once its head is here.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    Some(head + 4 + length.parse::<usize>().unwrap())
}
