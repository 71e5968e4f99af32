//! The proxy between a live gate and a small server that behaves, or does not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use hersh::http::{Gate, GateConfig, Request};

use super::{Lanes, ProxyTimes, forward};
use crate::host::api::ApiError;

const TIMES: ProxyTimes = ProxyTimes {
    connect: Duration::from_secs(2),
    send_body: Duration::from_secs(5),
    answer: Duration::from_secs(5),
};

/// A gate whose every request is passed on to `port`.
fn gate(port: u16, times: ProxyTimes) -> Gate {
    let config = GateConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        json_only: false,
        ..GateConfig::default()
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let lanes = Lanes::new(1);
    let handler = move |request: &mut Request<'_>| {
        let target = request.path().to_owned();
        let id = "ann-build-0123456789ab-00000001".parse().unwrap();
        let lane = lanes.enter(&id).unwrap();
        forward(request, address, &target, "/programs/p/proxy", &times, lane)
            .unwrap_or_else(ApiError::into_response)
    };
    Gate::bind(config, handler).unwrap()
}

/// A server that takes one connection and hands it to `serve` together with the request's head.
fn program(serve: impl FnOnce(&str, &mut TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = head(&mut stream);
        serve(&head, &mut stream);
    });
    (port, thread)
}

fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

fn ask(gate: &Gate, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gate.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer(gate: &Gate, request: &str) -> (String, String) {
    let mut stream = ask(gate, request);
    let head = head(&mut stream);
    let mut body = String::new();
    stream.read_to_string(&mut body).unwrap();
    (head, body)
}

const GET: &str = "GET /watcher/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

#[test]
fn a_request_arrives_without_the_hosts_secrets_and_an_answer_without_the_programs_tricks() {
    let (port, thread) = program(|head, stream| {
        assert!(head.starts_with("get /watcher/state http/1.1\r\n"), "{head}");
        for kept_back in ["authorization", "secret", "cookie", "x-mine", "upgrade", "evil.example"]
        {
            assert!(!head.contains(kept_back), "{kept_back} in {head}");
        }
        for passed in ["accept: text/x\r\n", "x-forwarded-for: 127.0.0.1\r\n", "via: 1.1 hersh\r\n"]
        {
            assert!(head.contains(passed), "{passed} not in {head}");
        }
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/html\r\n\
                  Set-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nX-Own: 1\r\n\
                  Connection: X-Hop\r\nX-Hop: 1\r\nLocation: /watcher/next\r\n\r\nhi",
            )
            .unwrap();
    });
    let request = format!(
        "{GET}Authorization: Bearer secret\r\nCookie: a=secret\r\nConnection: X-Mine\r\n\
         X-Mine: 1\r\nAccept: text/x\r\nX-Forwarded-For: evil.example\r\nUpgrade: websocket\r\n\r\n"
    );
    let (head, body) = answer(&gate(port, TIMES), &request);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "hi");
    for wanted in [
        "content-length: 2\r\n",
        "content-type: text/html\r\n",
        "x-own: 1\r\n",
        "content-security-policy: sandbox\r\n",
        "x-content-type-options: nosniff\r\n",
        "location: /programs/p/proxy/watcher/next\r\n",
    ] {
        assert!(head.contains(wanted), "{wanted} not in {head}");
    }
    for unwanted in ["set-cookie", "access-control", "x-hop"] {
        assert!(!head.contains(unwanted), "{unwanted} in {head}");
    }
    thread.join().unwrap();
}

#[test]
fn a_body_reaches_the_program_and_a_post_without_one_has_its_length() {
    let (port, thread) = program(|head, stream| {
        assert!(head.contains("content-length: 5\r\n"), "{head}");
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"hello");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let (head, _) = answer(&gate(port, TIMES), &format!("{request}Content-Length: 5\r\n\r\nhello"));
    assert!(head.starts_with("http/1.1 204"), "{head}");
    thread.join().unwrap();

    let (port, thread) = program(|head, stream| {
        assert!(head.contains("content-length: 0\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let (head, _) = answer(&gate(port, TIMES), &format!("{request}\r\n"));
    assert!(head.starts_with("http/1.1 204"), "{head}");
    thread.join().unwrap();
}

#[test]
fn bodies_stream_in_both_directions() {
    let (seen, upload) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (port, thread) = program(move |head, stream| {
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        // The first piece is here while the client has not sent the second.
        let mut piece = [0; 3];
        while &piece != b"one" {
            piece.rotate_left(1);
            stream.read_exact(&mut piece[2..]).unwrap();
        }
        seen.send(()).unwrap();
        while !piece.ends_with(b"two") {
            piece.rotate_left(1);
            stream.read_exact(&mut piece[2..]).unwrap();
        }
        stream.read_exact(&mut [0; 7]).unwrap(); // "\r\n0\r\n\r\n"
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .unwrap();
        gone.recv().unwrap();
        stream.write_all(b"3\r\ndef\r\n0\r\n\r\n").unwrap();
    });
    let gate = gate(port, TIMES);
    let mut client = ask(
        &gate,
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n3\r\none\r\n",
    );
    upload.recv_timeout(Duration::from_secs(20)).unwrap();
    client.write_all(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
    assert!(head(&mut client).starts_with("http/1.1 200"));
    let mut first = [0; 8];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"3\r\nabc\r\n", "the first piece is here before the second is sent");
    go.send(()).unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "3\r\ndef\r\n0\r\n\r\n");
    thread.join().unwrap();
}

#[test]
fn a_client_that_leaves_frees_the_program() {
    let (port, thread) = program(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            .unwrap();
        // Ends when the proxy has let go, and fails by its timeout if it never does.
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    });
    let gate = gate(port, TIMES);
    let mut client = ask(&gate, &format!("{GET}\r\n"));
    head(&mut client);
    drop(client);
    thread.join().unwrap();
}

#[test]
fn nobody_there_is_502_and_nobody_answering_is_504() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (head, body) = answer(&gate(port, TIMES), &format!("{GET}\r\n"));
    assert!(head.starts_with("http/1.1 502"), "{head}");
    assert!(body.contains(r#""error":"Bad Gateway","code":502,"message":"#), "{body}");

    let (port, thread) = program(|_, stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    let impatient = ProxyTimes { answer: Duration::from_millis(50), ..TIMES };
    let (head, body) = answer(&gate(port, impatient), &format!("{GET}\r\n"));
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert!(body.contains(r#""error":"Gateway Timeout""#), "{body}");
    thread.join().unwrap();
}

#[test]
fn an_answer_that_breaks_off_or_dribbles_is_no_answer() {
    let (port, thread) = program(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
    });
    let (head, _) = answer(&gate(port, TIMES), &format!("{GET}\r\n"));
    assert!(head.starts_with("http/1.1 502"), "{head}");
    thread.join().unwrap();

    let (port, thread) = program(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let impatient = ProxyTimes { answer: Duration::from_millis(50), ..TIMES };
    let (head, _) = answer(&gate(port, impatient), &format!("{GET}\r\n"));
    assert!(head.starts_with("http/1.1 504"), "{head}");
    thread.join().unwrap();

    for nonsense in ["\x7fELF\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"] {
        let (port, thread) = program(|_, stream| stream.write_all(nonsense.as_bytes()).unwrap());
        let (head, _) = answer(&gate(port, TIMES), &format!("{GET}\r\n"));
        assert!(head.starts_with("http/1.1 502"), "{nonsense:?}: {head}");
        thread.join().unwrap();
    }
}
