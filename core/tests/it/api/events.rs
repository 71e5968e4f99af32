//! Server-sent events, read by clients of all kinds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hersh::{Config, Context, ManagedError, Message, State, Watcher};
use serde_json::Value as Json;

use crate::gate::client::{Client, PATIENCE};

/// Answers each message with a line in the log.
fn watcher() -> (Watcher, SocketAddr) {
    let watcher = Watcher::builder().config(Config::default()).build().unwrap();
    let managed = |message: Option<&Message>, ctx: &Context| -> Result<(), ManagedError> {
        ctx.log(message.map_or("begun", Message::content));
        match message.map(Message::content) {
            Some("fail") => Err(ManagedError::from("a normal error")),
            _ => Ok(()),
        }
    };
    watcher.manage("log", managed).unwrap();
    let address = watcher.start_api_server("127.0.0.1:0").unwrap();
    (watcher, address)
}

struct Stream {
    client: Client,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: u64,
    name: String,
    data: Json,
}

impl Stream {
    fn open(address: SocketAddr, last: Option<u64>) -> Self {
        let mut client = Client::connect(address);
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        client.send(format!("GET /watcher/events HTTP/1.1\r\nHost: localhost\r\n{last}\r\n"));
        let head = client.head().unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(head.header("cache-control"), Some("no-store"));
        let mut stream = Self { client, text: String::new() };
        let first = stream.block();
        assert!(first.contains_key("retry") && first.contains_key("id"), "{first:?}");
        stream
    }

    /// The fields up to the next empty line.
    fn block(&mut self) -> BTreeMap<String, String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let fields = block.lines().filter_map(|line| line.split_once(": "));
                let fields =
                    fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                self.text = rest.to_owned();
                return fields;
            }
            let chunk = self.client.chunk().unwrap().expect("the stream goes on");
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }

    fn event(&mut self) -> Event {
        let fields = self.block();
        Event {
            id: fields["id"].parse().unwrap(),
            name: fields["event"].clone(),
            data: serde_json::from_str(&fields["data"]).unwrap(),
        }
    }

    /// Events up to the first that is like this.
    fn until(&mut self, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            events.push(self.event());
            if is_last(&events[events.len() - 1]) {
                return events;
            }
        }
    }
}

fn ended(number: u64) -> impl Fn(&Event) -> bool {
    move |event| event.data["phase"] == "ended" && event.data["execution"] == number
}

#[test]
fn what_happens_is_told_as_it_happens() {
    let (watcher, address) = watcher();
    let mut stream = Stream::open(address, None);
    watcher.start().unwrap();
    let began = stream.until(ended(1));
    let names: Vec<_> = began.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["transition", "execution", "log", "execution"]);
    assert_eq!(began[0].data["to"], "InitRun");
    assert_eq!(
        (&began[1].data["phase"], &began[1].data["trigger"]),
        (&"began".into(), &"Init".into())
    );
    assert_eq!(
        (&began[2].data["log"], &began[2].data["text"]),
        (&"context".into(), &"begun".into())
    );
    assert!(watcher.wait_for(State::Ready, Some(PATIENCE)));
    watcher.send_message("fail").unwrap();
    let failed = stream.until(ended(2));
    let last = failed.last().unwrap();
    assert_eq!(
        (&last.data["outcome"], &last.data["words"]),
        (&"failed".into(), &"a normal error".into())
    );
    let second = failed.iter().find(|event| event.data["phase"] == "began").unwrap();
    assert_eq!((&second.data["message"], &second.data["attempt"]), (&1.into(), &1.into()));
    let ids: Vec<_> = began.iter().chain(&failed).map(|event| event.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "none is missing: {ids:?}");
}

#[test]
fn a_client_that_comes_again_goes_on_where_it_was() {
    let (watcher, address) = watcher();
    let mut stream = Stream::open(address, None);
    watcher.start().unwrap();
    let first = stream.event();
    drop(stream);
    watcher.send_message("while away").unwrap();
    assert!(watcher.stop_with(hersh::StopOptions { drain: true, timeout: None }).is_ok());
    let mut again = Stream::open(address, Some(first.id));
    let events = again.until(|event| event.data["to"] == "Stopped");
    assert_eq!(events[0].id, first.id + 1);
    assert!(events.iter().any(|event| event.data["text"] == "while away"));
    let all = Stream::open(address, Some(0)).until(|event| event.data["to"] == "Stopped");
    assert_eq!((all[0].id, all.len()), (1, events.len() + 1));
}

#[test]
fn an_id_that_is_none_is_refused() {
    let (_watcher, address) = watcher();
    let mut client = Client::connect(address);
    for id in ["x", "-1", "1.5", "99999999999999999999999"] {
        let head = "GET /watcher/events HTTP/1.1\r\nHost: localhost";
        client.send(format!("{head}\r\nLast-Event-ID: {id}\r\n\r\n"));
        assert_eq!(client.answer().status, 400, "{id}");
    }
}

#[test]
fn followers_are_bounded_and_leave_room_for_others() {
    let (_watcher, address) = watcher();
    let streams: Vec<_> = (0..16).map(|_| Stream::open(address, None)).collect();
    let answer = Client::connect(address).get("/watcher/events");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.json()["error"].is_string());
    assert_eq!(Client::connect(address).get("/watcher/status").status, 200);
    drop(streams);
}

#[test]
fn followers_keep_neither_the_watcher_nor_its_end() {
    let (watcher, address) = watcher();
    watcher.start().unwrap();
    let mut silent: Vec<_> = (0..4).map(|_| Stream::open(address, None)).collect();
    let weak = watcher.downgrade();
    drop(watcher);
    assert!(weak.upgrade().is_none());
    assert!(std::net::TcpStream::connect(address).is_err(), "the server has ended");
    for stream in &mut silent {
        let rest = stream.client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "cut, so that the client comes again");
    }
}

#[test]
fn a_follower_that_does_not_read_delays_nobody() {
    let (watcher, address) = watcher();
    let _deaf: Vec<_> = (0..4).map(|_| Stream::open(address, None)).collect();
    watcher.start().unwrap();
    let long = "x".repeat(60_000);
    for _ in 0..500 {
        // More than the buffers of all sockets hold.
        watcher.send_message_timeout(long.as_str(), Duration::from_secs(30)).unwrap();
    }
    let report = watcher.stop_with(hersh::StopOptions { drain: true, timeout: Some(PATIENCE) });
    assert_eq!(report.unwrap().state, State::Stopped);
    assert_eq!(watcher.stats().counters.executions, 501);
}
