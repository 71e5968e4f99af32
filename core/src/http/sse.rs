//! Server-sent events: an answer that goes on for as long as its client listens.

use std::fmt::{Display, Write as _};
use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::response::Response;

/// A stream on which nothing happens says this often that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a client should come again, in milliseconds.
const RETRY_MS: u32 = 1000;

/// Where the events of a stream come from. It is asked on the thread that serves the client, at the
/// client's own speed, so nobody has to keep anything for it.
pub trait EventSource: Send + 'static {
    /// Says where the stream begins: the place that the client stands at, or what it has missed.
    fn begin(&mut self, words: &mut EventWords);

    /// Words what is new, after waiting for it no longer than about a quarter of a second: in
    /// between, the gate looks whether the client is still there. Returns whether the stream goes
    /// on; where it does not, what was just worded is the last that the client reads.
    fn next(&mut self, words: &mut EventWords) -> bool;
}

/// Events that have been worded and not been sent yet.
#[derive(Debug, Default)]
pub struct EventWords(String);

impl EventWords {
    /// An event: its id, by which a client goes on after a break (`Last-Event-ID`), its name and
    /// its data.
    pub fn event(&mut self, id: impl Display, name: &str, data: &Json) {
        // JSON holds no line ends outside of its escapes. Writing to a string cannot fail.
        let _ = write!(self.0, "id: {id}\nevent: {name}\ndata: {data}\n\n");
    }

    /// Where the client stands, without an event: one that knows the id before the first event can
    /// come again without a gap.
    pub fn place(&mut self, id: impl Display) {
        let _ = write!(self.0, "id: {id}\n\n");
    }
}

/// The body of an event stream.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use hersh::http::{EventSource, EventStream, EventWords};
///
/// struct Countdown(u32);
///
/// impl EventSource for Countdown {
///     fn begin(&mut self, words: &mut EventWords) {
///         words.place(self.0);
///     }
///     fn next(&mut self, words: &mut EventWords) -> bool {
///         self.0 -= 1;
///         words.event(self.0, "tick", &serde_json::json!({ "left": self.0 }));
///         self.0 > 0
///     }
/// }
///
/// let mut text = String::new();
/// EventStream::new(Countdown(1)).read_to_string(&mut text)?;
/// assert_eq!(text, "retry: 1000\nid: 1\n\nid: 0\nevent: tick\ndata: {\"left\":0}\n\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct EventStream<S> {
    source: S,
    words: EventWords,
    sent: usize,
    heartbeat: Duration,
    spoke: Instant,
    over: bool,
}

impl EventStream<()> {
    /// The media type of event streams.
    pub const CONTENT_TYPE: &'static str = "text/event-stream";
}

impl<S: EventSource> EventStream<S> {
    /// A stream of the events of `source`.
    pub fn new(source: S) -> Self {
        Self::with_heartbeat(source, HEARTBEAT)
    }

    /// A stream that says that it lives after so long a silence.
    pub fn with_heartbeat(mut source: S, heartbeat: Duration) -> Self {
        let mut words = EventWords(format!("retry: {RETRY_MS}\n"));
        source.begin(&mut words);
        Self { source, words, sent: 0, heartbeat, spoke: Instant::now(), over: false }
    }

    /// The answer that is this stream.
    pub fn into_response(self) -> Response {
        Response::stream(200, EventStream::CONTENT_TYPE, Box::new(self))
            .header("Cache-Control", "no-store")
    }

    fn refill(&mut self) {
        self.words.0.clear();
        self.sent = 0;
        self.over = !self.source.next(&mut self.words);
        if self.words.0.is_empty() && !self.over && self.spoke.elapsed() >= self.heartbeat {
            self.words.0.push_str(": nothing new\n\n");
        }
    }
}

impl<S: EventSource> Read for EventStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.sent == self.words.0.len() {
            if self.over {
                return Ok(0);
            }
            self.refill();
            if self.words.0.is_empty() {
                return if self.over { Ok(0) } else { Err(io::ErrorKind::TimedOut.into()) };
            }
        }
        let left = self.words.0.as_bytes().get(self.sent..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.sent += count;
        self.spoke = Instant::now();
        Ok(count)
    }
}
