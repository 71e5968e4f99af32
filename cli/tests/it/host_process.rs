//! The host as a process of its own, killed without warning. Its engine does not answer, which is no
//! reason for it not to take programs.
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::{hersh, run};

/// Requests that a host is killed in the middle of.
const KILLS: u32 = 24;

fn host_command(data: &Path) -> std::process::Command {
    let mut command = hersh(&["host", "--no-auth", "--json", "--listen", "127.0.0.1:0"]);
    command.args(["--docker", "unix:///nowhere/docker.sock"]).arg("--data-dir").arg(data);
    command
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut command = host_command(data);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        // One document, however it is laid out, and more only when it ends.
        let said: Value =
            serde_json::Deserializer::from_reader(said).into_iter().next().unwrap().unwrap();
        let address = said["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn send(&self, head: &str, body: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = body.to_string();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            key_of(&body),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, head: &str, body: &Value) -> Value {
        read(self.send(head, body)).unwrap()
    }

    fn count(&self) -> Value {
        self.ask("GET /programs", &json!({}))["count"].clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that was killed already is as it should be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same for the same request.
fn key_of(body: &str) -> String {
    body.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())).to_string()
}

/// The answer, if it came whole; anything but a success is a failure of the test.
fn read(mut stream: TcpStream) -> Option<Value> {
    let mut text = String::new();
    // A host that was killed cuts it short.
    let _ = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let value = serde_json::from_str(body).ok()?;
    assert!(head.starts_with("HTTP/1.1 20"), "{text}");
    Some(value)
}

fn program(number: u32) -> Value {
    json!({
        "user_id": "ann",
        "dockerfile": "FROM scratch\n",
        "src_files": {"number": number.to_string()},
    })
}

#[test]
fn a_request_that_a_killed_host_did_not_answer_is_done_once_when_it_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Process::start(dir.path());
    let began = Instant::now();
    host.ask("POST /programs", &program(0));
    let whole = began.elapsed();
    let mut unanswered = 0;
    for number in 1..=KILLS {
        let sent = host.send("POST /programs", &program(number));
        // At instants from the first to the last of what such a request takes.
        thread::sleep(whole * (number - 1) / KILLS);
        host.kill();
        let first = read(sent);
        unanswered += u32::from(first.is_none());
        host = Process::start(dir.path());
        let again = host.ask("POST /programs", &program(number));
        assert!(again["program_id"].is_string(), "{again}");
        if let Some(first) = first {
            assert_eq!(again, first, "round {number}");
        }
        assert_eq!(host.ask("POST /programs", &program(number)), again, "round {number}");
        assert_eq!(host.count(), number + 1, "round {number}: one only");
    }
    assert!(unanswered > 0, "no kill was early enough");
    let _ = writeln!(
        std::io::stderr(),
        "{KILLS} requests whose host was killed, {unanswered} of them unanswered: each done once"
    );
}

#[test]
fn a_second_process_on_the_folder_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Process::start(dir.path());
    let refused = run(&mut host_command(dir.path()));
    assert_eq!((refused.code, refused.out.as_str()), (5, ""), "{}", refused.err);
    let holder = format!("another host (process {}) works on", first.child.id());
    assert!(refused.err.contains(&holder), "{}", refused.err);
    // The first has not noticed; a killed one leaves no lock behind.
    assert_eq!(first.count(), 0);
    first.kill();
    assert_eq!(Process::start(dir.path()).count(), 0);
}
