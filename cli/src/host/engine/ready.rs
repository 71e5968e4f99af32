//! Whether a program's `WatcherAPI` answers.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Asks a `WatcherAPI` on this port of 127.0.0.1 whether it is well: `/healthz` first, and, where
/// there is none (the seed's watchers have none), its status. A program with a path of its own is
/// asked for that alone. Takes at most `within` for each; one that does not answer the first is not
/// asked the second.
pub fn answers_on(port: u16, path: Option<&str>, within: Duration) -> bool {
    match path {
        Some(path) => code(port, path, within) == Some(200),
        None => match code(port, "/healthz", within) {
            Some(404) => code(port, "/watcher/status", within) == Some(200),
            other => other == Some(200),
        },
    }
}

/// The status code that `GET path` is answered with; none when it is not answered in HTTP, or not in
/// time.
fn code(port: u16, path: &str, within: Duration) -> Option<u16> {
    let until = Instant::now() + within;
    let ask = || -> std::io::Result<Option<u16>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, within)?;
        stream.set_write_timeout(Some(within))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        // The status line's first bytes are enough: "HTTP/1.1 200".
        let mut line = [0_u8; 12];
        let mut filled = 0;
        while filled < line.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut line[filled..])? {
                0 => return Ok(None),
                count => filled += count,
            }
        }
        let is_http = line.starts_with(b"HTTP/1.") && line[8] == b' ';
        let code = std::str::from_utf8(&line[9..]).ok().and_then(|digits| digits.parse().ok());
        Ok(code.filter(|_| is_http))
    };
    ask().ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives each connection the next answer.
    fn serve(answers: Vec<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    #[test]
    fn only_a_200_counts() {
        let within = Duration::from_secs(60);
        assert!(answers_on(serve(vec!["HTTP/1.1 200 OK\r\n\r\n"]), None, within));
        // The seed's watchers have no /healthz, but a status.
        assert!(answers_on(
            serve(vec!["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"]),
            None,
            within
        ));
        // It has one, which says that it has failed: that its status can be had does not make it well.
        assert!(!answers_on(
            serve(vec!["HTTP/1.1 503 No\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]),
            None,
            within
        ));
        assert!(!answers_on(
            serve(vec!["HTTP/1.1 404 No\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n"]),
            None,
            within
        ));
        assert!(!answers_on(serve(vec!["SSH-2.0-x 200\r\n", "HTTP/1.1 2"]), None, within));
    }

    #[test]
    fn a_path_of_its_own_is_all_that_is_asked_for() {
        let within = Duration::from_secs(60);
        let no = "HTTP/1.1 404 Not Found\r\n\r\n";
        let yes = "HTTP/1.1 200 OK\r\n\r\n";
        assert!(!answers_on(serve(vec![no, yes]), Some("/ok"), within));
        assert!(answers_on(serve(vec![yes]), Some("/ok"), within));
    }

    #[test]
    fn one_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!answers_on(port, None, Duration::from_millis(20)));
    }
}
