//! An answer: built by a handler, put on the wire by tiny_http's printer.

use std::fmt;
use std::io::{self, Read};

use serde::Serialize;
use tiny_http::{HTTPVersion, Header, StatusCode};

use super::error::BodyError;

/// The answer to one request.
///
/// # Examples
///
/// ```
/// use hersh::http::Response;
/// let response = Response::json(200, &["a", "b"]).header("Cache-Control", "no-store");
/// assert_eq!(response.status(), 200);
/// ```
pub struct Response {
    status: u16,
    headers: Vec<Header>,
    body: Content,
}

/// What follows the head.
pub(super) enum Content {
    Bytes(Vec<u8>),
    Stream(Box<dyn Read + Send>),
}

impl Response {
    /// An answer without a body. `status` is between 200 and 599; anything else becomes 500.
    pub fn new(status: u16) -> Self {
        let status = if (200..600).contains(&status) { status } else { 500 };
        Self { status, headers: Vec::new(), body: Content::Bytes(Vec::new()) }
    }

    /// A JSON answer. A value that cannot be serialised becomes a 500 that says so.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::bytes(status, JSON, bytes),
            Err(error) => Self::error(500, &format!("the answer is not JSON: {error}")),
        }
    }

    /// A JSON answer of the shape `{"error":"…"}`.
    pub fn error(status: u16, message: &str) -> Self {
        let body = serde_json::json!({ "error": message }).to_string();
        Self::bytes(status, JSON, body.into_bytes())
    }

    /// A plain text answer.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// An answer with a body of any type.
    pub fn bytes(status: u16, content_type: &str, bytes: Vec<u8>) -> Self {
        Self { body: Content::Bytes(bytes), ..Self::new(status) }
            .header("Content-Type", content_type)
    }

    /// An answer whose body is read from `source` and sent on piece by piece, each as soon as a
    /// read returns it, until a read returns 0.
    ///
    /// The answer may take as long as it likes, but each piece must be taken by the client within
    /// the gate's write deadline. A source that has nothing to say for the moment should return
    /// [`io::ErrorKind::TimedOut`] (after waiting) or [`io::ErrorKind::WouldBlock`] (at once, the
    /// gate then waits) about once a second: the gate then looks whether the client is still
    /// there and whether it is asked to shut down, and reads again. A client that closes its sending
    /// side counts as gone. Another error cuts the connection, so that the client sees an answer
    /// that is not complete.
    pub fn stream(status: u16, content_type: &str, source: Box<dyn Read + Send>) -> Self {
        Self { body: Content::Stream(source), ..Self::new(status) }
            .header("Content-Type", content_type)
    }

    /// Adds a header.
    ///
    /// `Connection`, `Transfer-Encoding`, `Content-Length`, `Trailer` and `Upgrade` are the gate's
    /// own business and are left out, as is a header whose name is not a token. What a header
    /// value cannot carry (line ends, control characters, anything beyond ASCII) becomes `?`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let own = ["connection", "transfer-encoding", "content-length", "trailer", "upgrade"];
        let reserved = own.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        if !reserved && !name.is_empty() && name.bytes().all(is_token) {
            let value: Vec<u8> = value.chars().map(header_byte).collect();
            self.headers.extend(Header::from_bytes(name, value));
        }
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Takes the answer apart into the bytes of its head and what follows it.
    pub(super) fn into_parts(self, shape: Shape) -> io::Result<(Vec<u8>, Content)> {
        let (length, streams) = match &self.body {
            Content::Bytes(bytes) => (Some(bytes.len()), false),
            Content::Stream(_) => (None, true),
        };
        let mut head = Vec::with_capacity(256);
        let mut headers = self.headers;
        headers.extend(Header::from_bytes("Server", "hersh"));
        let printer =
            tiny_http::Response::new(StatusCode(self.status), headers, io::empty(), length, None);
        // The gate writes the body itself, so the printer is told to leave it out; it then still
        // prints the headers that describe it.
        printer.with_chunked_threshold(usize::MAX).raw_print(
            &mut head,
            HTTPVersion(1, shape.minor_version),
            &[],
            true,
            None,
        )?;
        head.truncate(head.len().saturating_sub(2));
        let bodiless = matches!(self.status, 204 | 304);
        if bodiless || (streams && shape.minor_version == 0) {
            // A 204 must not announce a length, and an HTTP/1.0 stream ends with its connection.
            let end = b"Content-Length: 0\r\n";
            if head.ends_with(end) {
                head.truncate(head.len() - end.len());
            }
        }
        if shape.close {
            head.extend_from_slice(b"Connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let body = if bodiless || shape.head_only { Content::Bytes(Vec::new()) } else { self.body };
        Ok((head, body))
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.body, Content::Stream(_))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl From<BodyError> for Response {
    fn from(error: BodyError) -> Self {
        Self::error(error.status(), &error.to_string())
    }
}

/// What the connection asks of an answer's form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) minor_version: u8,
    pub(super) head_only: bool,
    pub(super) close: bool,
}

const JSON: &str = "application/json";

/// RFC 9110: the characters of a header's name.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn header_byte(character: char) -> u8 {
    match u8::try_from(character) {
        Ok(byte) if byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() => byte,
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape { minor_version: 1, head_only: false, close: false };

    fn head_of(response: Response, shape: Shape) -> String {
        String::from_utf8(response.into_parts(shape).unwrap().0).unwrap()
    }

    #[test]
    fn the_length_is_announced_and_the_head_ends_once() {
        let head = head_of(Response::text(200, "hello"), PLAIN);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 5\r\n"), "{head}");
        assert!(!head.contains("Connection:"), "{head}");
        assert_eq!(head.matches("\r\n\r\n").count(), 1);
        assert!(head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn large_answers_are_not_chunked() {
        let head = head_of(Response::bytes(200, "a/b", vec![0; 1 << 20]), PLAIN);
        assert!(head.contains("\r\nContent-Length: 1048576\r\n"), "{head}");
    }

    #[test]
    fn streams_are_chunked_or_end_with_an_old_connection() {
        let stream = || Response::stream(200, "text/event-stream", Box::new(io::empty()));
        assert!(head_of(stream(), PLAIN).contains("\r\nTransfer-Encoding: chunked\r\n"));
        let old = head_of(stream(), Shape { minor_version: 0, close: true, ..PLAIN });
        assert!(!old.contains("Content-Length") && !old.contains("Transfer-Encoding"), "{old}");
        assert!(old.contains("\r\nConnection: close\r\n"), "{old}");
    }

    #[test]
    fn an_answer_without_content_announces_none() {
        let head = head_of(Response::new(204), PLAIN);
        assert!(!head.contains("Content-Length"), "{head}");
    }

    #[test]
    fn head_requests_get_the_length_without_the_bytes() {
        let response = Response::text(200, "hello");
        let (head, body) = response.into_parts(Shape { head_only: true, ..PLAIN }).unwrap();
        assert!(String::from_utf8(head).unwrap().contains("Content-Length: 5"));
        assert!(matches!(body, Content::Bytes(bytes) if bytes.is_empty()));
    }

    #[test]
    fn a_header_cannot_split_the_answer() {
        let response = Response::new(200)
            .header("X-Name", "a\r\nSet-Cookie: b")
            .header("X\r\nY", "c")
            .header("Connection", "keep-alive")
            .header("X-Umlaut", "ä");
        let head = head_of(response, PLAIN);
        assert!(head.contains("X-Name: a??Set-Cookie: b\r\n"), "{head}");
        assert!(head.contains("X-Umlaut: ?\r\n"), "{head}");
        assert!(!head.contains("X\r\nY") && !head.contains("keep-alive"), "{head}");
    }

    #[test]
    fn an_impossible_status_is_an_error() {
        assert_eq!(Response::new(99).status(), 500);
        assert_eq!(Response::new(1000).status(), 500);
    }
}
