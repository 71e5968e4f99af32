//! Answers that go on for as long as there is something to say.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::http::{Gate, GateConfig, Request, Response};

use super::client::{Client, assert_serves, config, routes};

/// A source of pieces that arrive on a channel; says so when it is dropped.
struct Pieces {
    pieces: Receiver<Vec<u8>>,
    dropped: Sender<()>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.pieces.recv_timeout(Duration::from_millis(10)) {
            Ok(piece) if piece == b"fail" => Err(io::Error::other("failed")),
            Ok(piece) if piece == b"panic" => panic!("on purpose"),
            Ok(piece) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => Ok(0),
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.dropped.send(()).ok();
    }
}

/// A gate whose `/stream` answers with the next of the prepared streams.
struct Streaming {
    gate: Gate,
    prepared: Arc<Mutex<Vec<Pieces>>>,
}

impl Streaming {
    fn open(config: GateConfig) -> Self {
        let prepared = Arc::<Mutex<Vec<Pieces>>>::default();
        let streams = Arc::clone(&prepared);
        let handler = move |request: &mut Request<'_>| match request.path() {
            "/stream" => {
                let source = streams.lock().unwrap().pop().expect("a prepared stream");
                Response::stream(200, "text/event-stream", Box::new(source))
            }
            _ => routes(request),
        };
        Self { gate: Gate::bind(config, handler).unwrap(), prepared }
    }

    fn prepare(&self) -> (Sender<Vec<u8>>, Receiver<()>) {
        let (sender, pieces) = mpsc::channel();
        let (dropped, drops) = mpsc::channel();
        self.prepared.lock().unwrap().push(Pieces { pieces, dropped });
        (sender, drops)
    }

    fn ask(&self) -> (Client, Sender<Vec<u8>>, Receiver<()>) {
        let (sender, drops) = self.prepare();
        let mut client = Client::connect(self.gate.local_addr());
        client.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = client.head().unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("transfer-encoding"), Some("chunked"));
        (client, sender, drops)
    }
}

#[test]
fn pieces_are_sent_as_they_come() {
    let streaming = Streaming::open(config());
    let (mut client, sender, _drops) = streaming.ask();
    for piece in [b"one".as_slice(), b"two", b"three"] {
        sender.send(piece.to_vec()).unwrap();
        assert_eq!(client.chunk().unwrap().as_deref(), Some(piece), "before the next is there");
    }
    drop(sender);
    assert_eq!(client.chunk().unwrap(), None);
    assert_eq!(client.get("/hello").text(), "hello", "the connection goes on");
}

#[test]
fn a_source_that_fails_is_seen_to_have_failed() {
    let streaming = Streaming::open(config());
    for end in ["fail", "panic"] {
        let (mut client, sender, drops) = streaming.ask();
        sender.send(b"one".to_vec()).unwrap();
        assert!(client.chunk().unwrap().is_some());
        sender.send(end.into()).unwrap();
        assert!(client.chunk().is_err(), "no last chunk may come");
        drops.recv().unwrap();
    }
    assert_serves(&streaming.gate);
}

#[test]
fn a_stream_ends_with_its_client() {
    let streaming = Streaming::open(config());
    let (client, _sender, drops) = streaming.ask();
    drop(client);
    drops.recv().expect("the source is dropped though it has nothing to say");
}

#[test]
fn streams_are_bounded_and_leave_threads_for_others() {
    let streaming = Streaming::open(GateConfig { max_streams: 2, max_threads: 3, ..config() });
    let first = streaming.ask();
    let _second = streaming.ask();
    let (_sender, drops) = streaming.prepare();
    let mut third = Client::connect(streaming.gate.local_addr());
    let answer = third.get("/stream");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    drops.recv().unwrap();
    assert_serves(&streaming.gate);
    // The place of one that has ended is free again.
    let (client, _, drops) = first;
    drop(client);
    drops.recv().unwrap();
    let _third = streaming.ask();
}

#[test]
fn shutting_down_ends_streams() {
    let streaming = Streaming::open(config());
    let (mut client, _sender, drops) = streaming.ask();
    assert!(streaming.gate.shutdown(Duration::from_secs(30)), "nothing had to be cut");
    drops.recv().unwrap();
    assert!(client.is_closed());
}

#[test]
fn an_old_client_reads_a_stream_until_the_connection_ends() {
    let streaming = Streaming::open(config());
    let (sender, _drops) = streaming.prepare();
    sender.send(b"one".to_vec()).unwrap();
    sender.send(b"two".to_vec()).unwrap();
    drop(sender);
    let mut client = Client::connect(streaming.gate.local_addr());
    client.send("GET /stream HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "onetwo");
}
