//! Crowds of clients that do nothing, little, or not what they should, against a live host. Small here;
//! `make soak-host` brings two thousand (`HERSH_SOAK_HOST_CLIENTS`), and there the figures count.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hersh_tests::{BOUND, HostProcess, engine};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Clients that send a byte now and then, and clients that never read what they asked for.
const DRIBBLING: usize = 50;
const DEAF: usize = 8;
/// How many descriptors the crowd may need besides one for each idle client.
const BESIDES: u64 = 256;

/// The bars of a full run: for a healthy client, and until all is as it was.
const SLOWEST: Duration = Duration::from_millis(250);
const SETTLED: Duration = Duration::from_secs(10);

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: usize,
    descriptors: usize,
}

fn held(host: &HostProcess<'_>) -> Held {
    let count = |what: &str| {
        let entries = fs::read_dir(format!("/proc/{}/{what}", host.pid()));
        entries.expect("the host runs").count()
    };
    Held { threads: count("task"), descriptors: count("fd") }
}

fn may_open(descriptors: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where even that is too little, a connection fails and says so.
    let _ = setrlimit(Resource::Nofile, limit);
    let current = getrlimit(Resource::Nofile).current;
    assert!(
        current.is_none_or(|most| most >= descriptors),
        "{descriptors} files: ulimit -n {current:?}"
    );
}

/// A client that begins a request and never comes to its end, over and over.
struct Dribbler<'a> {
    address: SocketAddr,
    beginning: &'a str,
    stream: Option<TcpStream>,
}

impl Dribbler<'_> {
    fn go_on(&mut self) {
        let sent = self.stream.as_mut().map(|stream| stream.write_all(b"x"));
        if !matches!(sent, Some(Ok(()))) {
            // The host has had enough of the last one.
            self.stream = TcpStream::connect(self.address).ok();
            if let Some(stream) = &mut self.stream {
                drop(stream.write_all(self.beginning.as_bytes()));
            }
        }
    }
}

/// How long each of these requests took, one after another, until there were enough and time is over.
fn served(host: &HostProcess<'_>, requests: usize, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while times.len() < requests || Instant::now() < until {
        let asked = Instant::now();
        let answer = host.get("/programs");
        assert_eq!(answer.status, 200, "a healthy client was turned away: {answer:?}");
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    times
}

#[test]
fn a_healthy_client_is_served_amid_crowds_of_others() {
    let Some(engine) = engine() else { return };
    let full = env::var("HERSH_SOAK_HOST_CLIENTS").ok().and_then(|text| text.parse().ok());
    let idle: u64 = full.unwrap_or(200);
    may_open(idle + BESIDES);
    let host = HostProcess::start(&engine);
    let address: SocketAddr = host.url()["http://".len()..].parse().expect("an address");
    served(&host, 10, Instant::now());
    let before = held(&host);

    let connect = || TcpStream::connect(address).expect("the host listens");
    let resting: Vec<_> = (0..idle).map(|_| connect()).collect();
    let token = host.token();
    let head = "GET /programs HTTP/1.1\r\nHost: localhost\r\nA: ".to_owned();
    let body = format!(
        "POST /programs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 90000000\r\n\r\n{{"
    );
    let get = format!(
        "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let deaf: Vec<_> = (0..DEAF)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(get.repeat(200).as_bytes()).expect("requests are small");
            stream
        })
        .collect();
    let over = AtomicBool::new(false);
    let (times, amid) = thread::scope(|scope| {
        scope.spawn(|| {
            let beginnings = [&head, &body].into_iter().cycle().take(DRIBBLING);
            let mut dribblers: Vec<_> =
                beginnings.map(|beginning| Dribbler { address, beginning, stream: None }).collect();
            while !over.load(Ordering::Relaxed) {
                dribblers.iter_mut().for_each(Dribbler::go_on);
                thread::sleep(Duration::from_millis(50));
            }
        });
        let until = Instant::now() + Duration::from_secs(if full.is_some() { 30 } else { 1 });
        let times = served(&host, 50, until);
        let amid = held(&host);
        over.store(true, Ordering::Relaxed);
        (times, amid)
    });
    drop((resting, deaf));
    let gone = Instant::now();
    let bound = if full.is_some() { SETTLED } else { BOUND };
    let mut after = held(&host);
    while after.threads > before.threads || after.descriptors > before.descriptors {
        assert!(gone.elapsed() < bound, "{before:?} before, {after:?} after {:?}", gone.elapsed());
        thread::sleep(Duration::from_millis(20));
        after = held(&host);
    }

    let slow = times[times.len() * 99 / 100];
    let _ = writeln!(
        io::stderr(),
        "{idle} idle, {DRIBBLING} dribbling and {DEAF} deaf clients: {} requests of a healthy one, \
         p99 {slow:?}; {before:?} before, {amid:?} amid, as before {:?} after",
        times.len(),
        gone.elapsed()
    );
    assert!(amid.threads <= before.threads + 128, "{before:?} before, {amid:?} amid them");
    assert!(full.is_none() || slow <= SLOWEST, "p99 {slow:?}");
}
