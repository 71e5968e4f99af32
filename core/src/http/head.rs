//! A request's head: where it ends, and what it says. Pure: bytes in, a decision out.
//!
//! Stricter than RFC 9112 asks for, because whatever two parsers may read differently is a way to
//! smuggle a request past one of them: a line ends in CR LF and nothing else, a length is digits
//! and nothing else, and a body has one framing and not two.

use std::ops::Range;

use tiny_http::Method;

use super::refusal::Refusal;

/// Header lines in one request; a hundred is what common servers accept.
pub(super) const MAX_HEADERS: usize = 100;

/// Looks for the end of a head in bytes that arrive piece by piece, each looked at once.
#[derive(Debug, Default, Clone)]
pub(super) struct HeadScan {
    at: usize,
    line_bytes: usize,
    after_cr: bool,
    request_line_seen: bool,
}

/// What a scan found so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head goes on beyond the bytes at hand.
    Partial,
    /// The head, with its closing empty line, is this many bytes.
    Complete(usize),
    /// No head can start like this.
    Bad(&'static str),
}

impl HeadScan {
    /// Goes on with `bytes`, which must begin with all bytes of the earlier calls.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Scan {
        while let Some(&byte) = bytes.get(self.at) {
            self.at += 1;
            match (byte, self.after_cr) {
                (b'\n', true) => {
                    self.after_cr = false;
                    if self.line_bytes > 0 {
                        self.request_line_seen = true;
                    } else if self.request_line_seen {
                        return Scan::Complete(self.at);
                    }
                    self.line_bytes = 0;
                }
                (b'\n', false) => return Scan::Bad("a line must end in CR LF"),
                (_, true) => return Scan::Bad("a bare CR in the head"),
                (b'\r', false) => self.after_cr = true,
                (0, false) => return Scan::Bad("a NUL in the head"),
                (_, false) => self.line_bytes += 1,
            }
        }
        Scan::Partial
    }

    /// Whether any byte was looked at.
    pub(super) fn started(&self) -> bool {
        self.at > 0
    }
}

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Neither a length nor chunks: there is no body.
    None,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow, the last one empty.
    Chunked,
}

/// A head that kept all the rules.
#[derive(Debug)]
pub(super) struct Head {
    raw: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    /// Where an absolute target says the request is addressed to.
    authority: Option<Range<usize>>,
    pub(super) method: Method,
    /// 0 or 1, of HTTP/1.x.
    pub(super) minor_version: u8,
    pub(super) framing: Framing,
    /// Whether the client is ready for another request on this connection.
    pub(super) keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
}

impl Head {
    /// Reads a whole head, as [`HeadScan`] delimited it.
    pub(super) fn parse(raw: Vec<u8>) -> Result<Self, Refusal> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut slots);
        match parsed.parse(&raw) {
            Ok(httparse::Status::Complete(length)) if length == raw.len() => {}
            Ok(_) => return Err(Refusal::bad("the head is not framed as HTTP/1.1")),
            Err(error) => return Err(syntax_error(error, &raw)),
        }
        let method = parsed.method.unwrap_or_default();
        let target = offset(&raw, parsed.path.unwrap_or_default().as_bytes());
        let minor_version = parsed.version.unwrap_or_default();
        let fields = parsed
            .headers
            .iter()
            .map(|header| (offset(&raw, header.name.as_bytes()), offset(&raw, header.value)))
            .collect();
        let method =
            method.parse::<Method>().map_err(|()| Refusal::bad("the method is not ASCII"))?;
        let mut head = Self {
            raw,
            fields,
            path: 0..0,
            query: None,
            authority: None,
            method,
            minor_version,
            framing: Framing::None,
            keep_alive: minor_version == 1,
            expects_continue: false,
        };
        head.split_target(target)?;
        head.framing = head.read_framing()?;
        head.read_connection()?;
        head.read_expectation()?;
        Ok(head)
    }

    pub(super) fn path(&self) -> &str {
        self.text(&self.path)
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_ref().map(|range| self.text(range))
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.as_ref().map(|range| self.text(range))
    }

    /// All headers in the order they came.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (self.text(name), self.bytes(value)))
    }

    /// All values of one header, whatever the case of its name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers()
            .filter(move |(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The only value of a header: `None` if it is absent, an error if it comes twice.
    pub(super) fn single(&self, name: &str, twice: &'static str) -> Result<Option<&[u8]>, Refusal> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Refusal::bad(twice)) } else { Ok(first) }
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        str::from_utf8(self.bytes(range)).unwrap_or_default()
    }

    /// Takes `/path?query`, `http://host/path?query` or `*` apart.
    fn split_target(&mut self, target: Range<usize>) -> Result<(), Refusal> {
        let text = self.bytes(&target);
        if !text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
            return Err(Refusal::bad("the request target has a character it may not have"));
        }
        let mut start = target.start;
        let has_scheme = text.len() >= 7 && text[..7].eq_ignore_ascii_case(b"http://");
        if has_scheme {
            start += 7;
            let rest = self.bytes(&(start..target.end));
            let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
            let end = start + length.unwrap_or(rest.len());
            self.authority = Some(start..end);
            start = end;
        }
        let rest = self.bytes(&(start..target.end));
        let origin_form = rest.first() == Some(&b'/');
        if !(has_scheme || origin_form || (rest == b"*" && self.method == Method::Options)) {
            return Err(Refusal::bad("the request target must begin with /"));
        }
        let question = rest.iter().position(|byte| *byte == b'?').map(|at| start + at);
        self.path = start..question.unwrap_or(target.end);
        self.query = question.map(|at| at + 1..target.end);
        Ok(())
    }

    fn read_framing(&self) -> Result<Framing, Refusal> {
        let length = self.single("content-length", "more than one Content-Length")?;
        let encoding = self.single("transfer-encoding", "more than one Transfer-Encoding")?;
        match (length, encoding) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            (Some(digits), None) => read_length(digits).map(Framing::Length),
            (None, Some(_)) if self.minor_version == 0 => {
                Err(Refusal::bad("HTTP/1.0 has no Transfer-Encoding"))
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => Err(Refusal::bad("only the chunked Transfer-Encoding is known")),
        }
    }

    fn read_connection(&mut self) -> Result<(), Refusal> {
        let mut close = false;
        for value in self.values("connection") {
            if !value.is_ascii() {
                return Err(Refusal::bad("Connection is not ASCII"));
            }
            let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            close |= tokens.any(|token| token.eq_ignore_ascii_case(b"close"));
        }
        self.keep_alive &= !close;
        Ok(())
    }

    fn read_expectation(&mut self) -> Result<(), Refusal> {
        let expectation = self.single("expect", "more than one Expect")?;
        match expectation {
            None => Ok(()),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects_continue = self.minor_version == 1;
                Ok(())
            }
            Some(_) => Err(Refusal::new(417, "only Expect: 100-continue is known")),
        }
    }
}

/// Digits and nothing else. A number that no integer holds is too large, not malformed.
fn read_length(digits: &[u8]) -> Result<u64, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad("Content-Length is not a number"));
    }
    str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::new(413, "Content-Length is beyond all bounds"))
}

fn syntax_error(error: httparse::Error, raw: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::new(431, "too many headers"),
        httparse::Error::Version if names_another_version(raw) => {
            Refusal::bad("only HTTP/1.0 and HTTP/1.1 are spoken here")
        }
        httparse::Error::HeaderName => {
            Refusal::bad("a header name has a character it may not have")
        }
        httparse::Error::HeaderValue => {
            Refusal::bad("a header value has a character it may not have")
        }
        _ => Refusal::bad("the request line is malformed"),
    }
}

/// Whether the first line ends in `HTTP/` digit `.` digit: a version, if not one we speak.
fn names_another_version(raw: &[u8]) -> bool {
    let line = raw.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Where `part`, a slice of `whole`, lies in it.
fn offset(whole: &[u8], part: &[u8]) -> Range<usize> {
    // An empty part may be a constant that lies nowhere in the buffer.
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if part.is_empty() || start > whole.len() { 0..0 } else { start..start + part.len() }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
