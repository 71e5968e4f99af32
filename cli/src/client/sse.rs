//! Server-sent events, as the client reads them.
//!
//! Source: the HTML standard, "Server-sent events", with bounds: a line or an event that is longer
//! than anything a host or a watcher says ends the stream.

use std::io::{self, BufRead, BufReader, Read};

// A watcher cuts what it tells to far less.
const MAX_EVENT_BYTES: usize = 4 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The number by which a stream can be taken up again; empty if it has none.
    pub id: String,
    /// Its kind; `message` where it does not say.
    pub kind: String,
    /// What it says.
    pub data: String,
}

/// The events of a stream, one after the other.
pub struct Events<R> {
    lines: BufReader<R>,
    last_id: String,
}

impl<R: Read> Events<R> {
    /// Reads events from `stream`.
    pub fn new(stream: R) -> Self {
        Self { lines: BufReader::new(stream), last_id: String::new() }
    }

    /// The number after which the stream can be taken up again; empty while there is none.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The next event with data, or none at the end. Waits for it.
    ///
    /// # Errors
    /// As reading does; [`io::ErrorKind::InvalidData`] for an event that is too long.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut data: Option<String> = None;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if let Some(data) = data.take() {
                    let kind = std::mem::take(&mut event.kind);
                    let kind = if kind.is_empty() { "message".to_owned() } else { kind };
                    return Ok(Some(Event { id: self.last_id.clone(), kind, data }));
                }
                event = Event::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" if !value.contains('\0') => value.clone_into(&mut self.last_id),
                "event" => value.clone_into(&mut event.kind),
                "data" => {
                    let all = data.get_or_insert_default();
                    if !all.is_empty() {
                        all.push('\n');
                    }
                    all.push_str(value);
                    if all.len() > MAX_EVENT_BYTES {
                        return Err(too_long());
                    }
                }
                // A comment, or something that later versions say.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let most = MAX_EVENT_BYTES as u64 + 1;
        if self.lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        match line.pop() {
            Some(b'\n') => {}
            _ if line.len() >= MAX_EVENT_BYTES => return Err(too_long()),
            // The stream broke off within a line: what it began to say is not known.
            _ => return Ok(None),
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an event is longer than 4 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let mut events = Events::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(event) = events.next_event().unwrap() {
            all.push((event.id, event.kind, event.data));
        }
        all
    }

    #[test]
    fn events_have_ids_kinds_and_data() {
        let text = "retry: 1000\nid: 7\n\nid: 8\nevent: log\ndata: {\"a\":1}\n\n: nothing new\n\n\
                    data: one\r\ndata:two\r\n\r\nid: 9\nevent: cut";
        let wanted = [("8", "log", "{\"a\":1}"), ("8", "message", "one\ntwo")];
        let wanted = wanted.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(read(text), wanted);
    }

    #[test]
    fn an_endless_line_ends_the_stream() {
        let mut events = Events::new(io::repeat(b'x'));
        assert_eq!(events.next_event().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut events = Events::new(io::Cursor::new(b"data: x\n".repeat(1 << 22)));
        assert_eq!(events.next_event().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
