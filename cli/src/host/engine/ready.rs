//! Whether a program's `WatcherAPI` answers.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Asks a `WatcherAPI` on this port of 127.0.0.1 whether it is well: `/healthz` first, and, where
/// there is none (the seed's watchers have none), its status. A program with a path of its own is
/// asked for that alone. Takes at most `within` for each.
pub fn answers_on(port: u16, path: Option<&str>, within: Duration) -> bool {
    match path {
        Some(path) => is_ok(port, path, within),
        None => ["/healthz", "/watcher/status"].into_iter().any(|path| is_ok(port, path, within)),
    }
}

fn is_ok(port: u16, path: &str, within: Duration) -> bool {
    let until = Instant::now() + within;
    let ask = || -> std::io::Result<bool> {
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
                return Ok(false);
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut line[filled..])? {
                0 => return Ok(false),
                count => filled += count,
            }
        }
        Ok(line.starts_with(b"HTTP/1.") && line.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
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
        assert!(!answers_on(
            serve(vec!["HTTP/1.1 503 No\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n"]),
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
