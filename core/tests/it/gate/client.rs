//! A client that can misbehave: raw bytes out, whole answers in, every wait bounded.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use hersh::http::{Gate, GateConfig, Method, Request, Response};

/// Longer than anything a test waits for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// One connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends bytes as they are. A server that has closed already is not an error here.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).ok();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        self.reader.get_ref().shutdown(std::net::Shutdown::Write).ok();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// Reads one answer; an error if the connection ends before it does.
    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let bodiless = matches!(answer.status, 100..=199 | 204 | 304);
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut answer.body)?;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk()? {
                answer.body.extend(chunk);
            }
        } else if !bodiless {
            self.reader.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// Reads the head of an answer and leaves its body.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "", "a header has a name and a value");
                return Ok(Answer { status, headers, body: Vec::new() });
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Reads one chunk of a stream; `None` is its end.
    pub(crate) fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk)?;
        assert!(chunk.ends_with(b"\r\n"), "a chunk ends in CR LF");
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// Whether the server closes the connection, after nothing more than what is read before.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.reader.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Whether an answer has begun to arrive, or does in a moment.
    pub(crate) fn has_answer(&mut self) -> bool {
        let stream = self.reader.get_ref();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let arrived = stream.peek(&mut [0]).is_ok();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        arrived
    }

    /// Reads whatever comes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends it as well as an orderly close does.
        self.reader.read_to_end(&mut rest).ok();
        rest
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line).unwrap())
    }
}

/// A handler with a bit of everything.
pub(crate) fn routes(request: &mut Request<'_>) -> Response {
    match (request.method(), request.path()) {
        (Method::Get | Method::Head, "/hello") => Response::text(200, "hello"),
        (Method::Get, "/query") => Response::text(200, request.query().unwrap_or("none")),
        (Method::Get, "/large") => {
            Response::bytes(200, "application/octet-stream", vec![b'x'; LARGE])
        }
        (Method::Get, "/panic") => panic!("on purpose"),
        (Method::Post, "/echo") => match request.read_body() {
            Ok(body) => Response::bytes(200, "application/octet-stream", body),
            Err(error) => error.into(),
        },
        (Method::Post, "/paced") => {
            let grace = request.query().unwrap().parse().unwrap();
            request.set_min_pace(Duration::from_millis(grace), 1_000_000);
            match request.read_body() {
                Ok(body) => Response::text(200, body.len().to_string()),
                Err(error) => error.into(),
            }
        }
        (Method::Post, "/ignore") => Response::text(200, "ignored"),
        _ => Response::error(404, "no such route"),
    }
}

/// More than the socket buffers of both sides hold.
pub(crate) const LARGE: usize = 16 * 1024 * 1024;

/// A configuration for tests: any port, otherwise the defaults.
pub(crate) fn config() -> GateConfig {
    GateConfig { address: SocketAddr::from(([127, 0, 0, 1], 0)), ..GateConfig::default() }
}

/// A gate with [`routes`].
pub(crate) fn open(config: GateConfig) -> Gate {
    Gate::bind(config, routes).unwrap()
}

/// That the gate serves a client that comes now.
pub(crate) fn assert_serves(gate: &Gate) {
    let answer = Client::connect(gate.local_addr()).get("/hello");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}
