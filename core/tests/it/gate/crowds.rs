//! Many clients at once, and a process that runs out of descriptors.

use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use hersh::http::{Gate, GateConfig, Request, Response};

use super::client::{Client, assert_serves, config, open};

const POST: &str = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[test]
fn simultaneous_clients_are_all_served() {
    let gate = open(config());
    let barrier = Barrier::new(100);
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                let mut client = Client::connect(gate.local_addr());
                for _ in 0..10 {
                    assert_eq!(client.get("/hello").text(), "hello");
                }
                served.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(served.into_inner(), 100);
}

/// A gate of one thread, whose handler says that it was entered and waits to be released.
fn one_thread(max_pending: usize) -> (Gate, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, entries) = mpsc::channel();
    let (release, releases) = mpsc::channel();
    let releases = std::sync::Mutex::new(releases);
    let handler = move |request: &mut Request<'_>| {
        if request.path() == "/wait" {
            entered.send(()).ok();
            releases.lock().unwrap().recv().ok();
        }
        Response::text(200, "hello")
    };
    let config = GateConfig { max_threads: 1, max_pending, ..config() };
    (Gate::bind(config, handler).unwrap(), entries, release)
}

#[test]
fn full_is_said_and_not_suffered() {
    let (gate, entries, release) = one_thread(2);
    let mut busy = Client::connect(gate.local_addr());
    busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    entries.recv().unwrap();
    // More than the queue holds: some are told at once, some after waiting for a moment.
    let mut turned_away: Vec<_> = (0..5).map(|_| Client::connect(gate.local_addr())).collect();
    for client in &mut turned_away {
        client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for client in &mut turned_away {
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert!(client.is_closed());
    }
    release.send(()).unwrap();
    assert_eq!(busy.answer().text(), "hello");
    assert_serves(&gate);
}

#[test]
fn the_longest_silent_connection_gives_way() {
    let gate = open(GateConfig { max_connections: 4, ..config() });
    let mut regular = Client::connect(gate.local_addr());
    assert_eq!(regular.get("/hello").status, 200);
    let mut silent: Vec<_> = (0..20).map(|_| Client::connect(gate.local_addr())).collect();
    assert_serves(&gate);
    assert!(silent[0].is_closed());
    assert_eq!(regular.get("/hello").status, 200, "who has asked before stays longer");
}

#[test]
fn who_is_cut_short_in_asking_is_told_why() {
    let gate = open(GateConfig { max_connections: 2, ..config() });
    let mut first = Client::connect(gate.local_addr());
    first.send("GET /hel");
    // The server answers this one only after it has seen what the first has sent.
    assert_serves(&gate);
    let mut crowd = Vec::new();
    while !first.has_answer() {
        assert!(crowd.len() < 1000, "the first never gave way");
        let mut next = Client::connect(gate.local_addr());
        next.send("GET /hel");
        crowd.push(next);
    }
    assert_eq!(first.answer().status, 503);
}

#[test]
fn the_slowest_client_gives_way_when_others_wait() {
    // No deadline comes into play here: only the need for a thread.
    let gate = open(GateConfig { max_threads: 2, ..config() });
    let mut slow = Client::connect(gate.local_addr());
    slow.send(format!("{POST}Content-Length: 100000\r\n\r\nx"));
    let mut deaf = Client::connect(gate.local_addr());
    deaf.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(deaf.head().unwrap().status, 200);
    let answers = (0..1000).map(|_| Client::connect(gate.local_addr()).get("/hello").status);
    let refused = answers.take_while(|status| *status == 503).count();
    assert!(refused < 1000, "neither of the slow clients gave way");
    assert_serves(&gate);
}

/// Runs the calling test once more in a process of its own, under another limit on descriptors.
/// Returns whether this is that process.
fn in_child_with_descriptors(test: &str, limit: u32) -> bool {
    const MARK: &str = "HERSH_TEST_CHILD";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh"])
        .arg(limit.to_string())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "the child ran no test: {printed}");
    false
}

/// Takes the one descriptor that is free. The server of this process may hold it for a moment,
/// until it has noticed that its own is free again.
fn persistent<T>(take: impl FnMut() -> std::io::Result<T>) -> T {
    std::iter::repeat_with(take).flatten().next().expect("an endless iterator")
}

#[test]
fn running_out_of_descriptors_is_survived() {
    if !in_child_with_descriptors("gate::crowds::running_out_of_descriptors_is_survived", 64) {
        return;
    }
    let (entered, entries) = mpsc::channel();
    let (release, releases) = mpsc::channel::<()>();
    let releases = std::sync::Mutex::new(releases);
    let handler = move |request: &mut Request<'_>| {
        if request.path() == "/wait" {
            entered.send(()).ok();
            releases.lock().unwrap().recv_timeout(Duration::from_secs(30)).ok();
        }
        Response::text(200, "hello")
    };
    let gate = Gate::bind(config(), handler).unwrap();
    // Clients that cannot be evicted, for a thread serves them.
    let mut busy: Vec<_> = (0..8).map(|_| Client::connect(gate.local_addr())).collect();
    for client in &mut busy {
        client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
        entries.recv().unwrap();
    }
    let mut newcomer = Client::connect(gate.local_addr());
    assert_eq!(newcomer.get("/hello").text(), "hello");
    // The process takes what is left, one descriptor more than there is.
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop();
    // The newcomer gives way to the next, once the server knows that it rests; until then the
    // next is told to try again.
    let served = (0..1000).any(|_| {
        let answer = persistent(|| Client::try_connect(gate.local_addr())).get("/hello");
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        answer.status == 200
    });
    assert!(served && newcomer.is_closed());
    drop(newcomer);
    for _ in &busy {
        release.send(()).unwrap();
    }
    for client in &mut busy {
        assert_eq!(client.answer().text(), "hello");
    }
    drop(hoard);
    assert_serves(&gate);
}

#[test]
fn without_a_descriptor_a_newcomer_is_told_so() {
    if !in_child_with_descriptors("gate::crowds::without_a_descriptor_a_newcomer_is_told_so", 64) {
        return;
    }
    let gate = open(config());
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    for _ in 0..5 {
        // One for the client's end, none for the server's.
        hoard.pop();
        let mut client = persistent(|| Client::try_connect(gate.local_addr()));
        let answer = client.get("/hello");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        drop(client);
        hoard.push(persistent(|| std::fs::File::open("/dev/null")));
    }
    drop(hoard);
    assert_serves(&gate);
}

/// Threads of this process that serve clients.
#[cfg(target_os = "linux")]
fn serving_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "hersh-http").count()
}

#[cfg(target_os = "linux")]
#[test]
fn crowds_of_bad_clients_leave_room_for_good_ones() {
    let name = "gate::crowds::crowds_of_bad_clients_leave_room_for_good_ones";
    if !in_child_with_descriptors(name, 4096) {
        return;
    }
    let gate = open(GateConfig { thread_linger: Duration::from_millis(50), ..config() });
    let connect = || Client::connect(gate.local_addr());
    let idle: Vec<_> = (0..2000).map(|_| connect()).collect();
    let mut bodies: Vec<_> = (0..50).map(|_| connect()).collect();
    for client in &mut bodies {
        client.send(format!("{POST}Content-Length: 100000\r\n\r\nx"));
    }
    let mut heads: Vec<_> = (0..50).map(|_| connect()).collect();
    for client in &mut heads {
        client.send("GET /hello HTTP/1.1\r\nA: ");
    }
    let mut deaf: Vec<_> = (0..8).map(|_| connect()).collect();
    for client in &mut deaf {
        client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let mut regular = connect();
    for _ in 0..50 {
        for client in bodies.iter_mut().chain(&mut heads) {
            client.send("x");
        }
        assert_eq!(regular.get("/hello").status, 200);
        assert_serves(&gate);
        assert!(serving_threads() <= 64, "threads are bounded");
    }
    drop((idle, bodies, heads, deaf));
    while serving_threads() > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_serves(&gate);
}
