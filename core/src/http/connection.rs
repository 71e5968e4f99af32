//! One connection's life on a thread: requests in, answers out, in order.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tiny_http::Method;

use super::body::{Body, BodyLimits};
use super::head::{Head, Scan};
use super::input::Input;
use super::policy;
use super::refusal::{self, Refusal};
use super::request::Request;
use super::response::{Content, Response, Shape};
use super::shared::{Shared, StreamPermit};
use super::wire::Wire;

/// How long a thread waits for the next request on a connection before it hands it back: long
/// enough that a busy client stays on its thread, short enough that a resting one costs none.
const HOT_WAIT: Duration = Duration::from_millis(50);
/// The same where threads are getting scarce.
const SCARCE_WAIT: Duration = Duration::from_millis(2);
/// How often a stream that has nothing to say looks whether its client is still there.
const STREAM_CHECK: Duration = Duration::from_millis(200);
/// An answer up to this size goes out in one piece with its head.
const SMALL_BODY: usize = 32 * 1024;
/// Bytes read from a stream at once.
const STREAM_PIECE: usize = 16 * 1024;

/// An accepted connection, wherever it is kept.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) wire: Arc<Wire>,
    pub(super) peer: SocketAddr,
    pub(super) input: Input,
    /// Requests answered so far.
    pub(super) served: u32,
    _place: Place,
}

impl Connection {
    pub(super) fn new(wire: Wire, peer: SocketAddr, place: Place) -> Self {
        let input = Input::default();
        Self { wire: Arc::new(wire), peer, input, served: 0, _place: place }
    }
}

/// One connection's place among all that the gate holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    pub(super) fn take(places: &Arc<AtomicUsize>) -> Self {
        places.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(places))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is to become of a connection that its thread is done with.
#[derive(Debug)]
pub(super) enum Next {
    /// It waits for another request, or for the rest of one.
    Park,
    /// It is closed once the client has taken the last answer.
    Linger,
    /// It is over.
    Close,
}

/// Answers the requests of a connection until it has to wait for its client.
///
/// The input must hold a complete head of `head_bytes` bytes.
pub(super) fn serve(shared: &Shared, connection: &mut Connection) -> Next {
    let _active = shared.enter(&connection.wire);
    loop {
        let head_bytes = match connection.input.scan() {
            Scan::Complete(length) => length,
            Scan::Bad(reason) => return refuse(shared, connection, Refusal::bad(reason)),
            Scan::Partial if connection.input.available().len() > shared.config.max_head_bytes => {
                return refuse(shared, connection, refusal::LARGE_HEAD);
            }
            Scan::Partial => match await_more(shared, connection) {
                Ok(true) => continue,
                Ok(false) => return Next::Park,
                Err(_) => return Next::Close,
            },
        };
        if head_bytes > shared.config.max_head_bytes {
            return refuse(shared, connection, refusal::LARGE_HEAD);
        }
        let raw = connection.input.take_head(head_bytes);
        connection.wire.reset_measure();
        match Head::parse(raw) {
            Err(refusal) => return refuse(shared, connection, refusal),
            Ok(head) => match answer(shared, connection, &head) {
                Next::Park if shared.pool.is_crowded() => return Next::Park,
                Next::Park => {}
                next => return next,
            },
        }
    }
}

/// Waits a moment for more of a request; false if the connection should be parked instead.
fn await_more(shared: &Shared, connection: &mut Connection) -> io::Result<bool> {
    // A head that has begun has a deadline, which is kept where connections are parked.
    let patient = !connection.input.head_started() && !shared.pool.is_crowded();
    if shared.is_stopping() || !patient {
        return Ok(false);
    }
    let patience = if shared.pool.is_filling() { SCARCE_WAIT } else { HOT_WAIT };
    if !connection.wire.readable_before(Instant::now() + patience)? {
        return Ok(false);
    }
    match connection.input.fill_from(&connection.wire) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Runs the handler on one request and sends its answer.
fn answer(shared: &Shared, connection: &mut Connection, head: &Head) -> Next {
    let config = &shared.config;
    let limits = BodyLimits {
        cap: config.max_body_bytes,
        timeout: config.body_timeout,
        write_timeout: config.write_timeout,
    };
    let body = Body::new(
        &connection.wire,
        &mut connection.input,
        head.framing,
        head.expects_continue,
        limits,
    );
    let mut request = Request::new(head, connection.peer, body);
    let admitted = policy::admit(head, config);
    let response = admitted.map(|()| handle(shared, &mut request));
    let response = response.unwrap_or_else(|refusal| shared.refusal(refusal));
    let at_next_request = request.into_body().finish();
    connection.served += 1;
    let close = !(head.keep_alive && at_next_request)
        || connection.served >= config.max_requests
        || shared.is_stopping();
    let head_only = head.method == Method::Head;
    let shape = Shape { minor_version: head.minor_version, head_only, close };
    match send(shared, &connection.wire, response, shape) {
        Err(_) => Next::Close,
        Ok(()) if at_next_request && close => Next::Close,
        // The client may still be sending what nobody will read. To close now would reset the
        // connection, and with it an answer that has not been read yet.
        Ok(()) if close => Next::Linger,
        Ok(()) => Next::Park,
    }
}

fn handle(shared: &Shared, request: &mut Request<'_>) -> Response {
    catch_unwind(AssertUnwindSafe(|| shared.handler.handle(request)))
        .unwrap_or_else(|_| shared.refusal(Refusal::new(500, "the handler panicked")))
}

/// Answers a request that is not one, after which nothing on this connection can be understood.
fn refuse(shared: &Shared, connection: &mut Connection, refusal: Refusal) -> Next {
    let shape = Shape { minor_version: 1, head_only: false, close: true };
    match send(shared, &connection.wire, shared.refusal(refusal), shape) {
        Ok(()) => Next::Linger,
        Err(_) => Next::Close,
    }
}

fn send(shared: &Shared, wire: &Wire, response: Response, shape: Shape) -> io::Result<()> {
    let permit = if response.is_stream() { shared.permit_stream() } else { None };
    let response = if response.is_stream() && permit.is_none() {
        shared.refusal(refusal::FULL)
    } else {
        response
    };
    let (mut head, content) = response.into_parts(shape)?;
    wire.reset_measure();
    let deadline = Instant::now() + shared.config.write_timeout;
    match (content, permit) {
        (Content::Bytes(bytes), _) if bytes.len() <= SMALL_BODY => {
            head.extend_from_slice(&bytes);
            wire.write_all(&head, deadline)
        }
        (Content::Bytes(bytes), _) => {
            wire.write_all(&head, deadline)?;
            wire.write_all(&bytes, deadline)
        }
        (Content::Stream(source), permit) => {
            wire.write_all(&head, deadline)?;
            send_stream(shared, wire, source, shape.minor_version == 1, permit)
        }
    }
}

/// Sends a stream piece by piece until it ends, its client leaves or the gate shuts down.
fn send_stream(
    shared: &Shared,
    wire: &Wire,
    mut source: Box<dyn io::Read + Send>,
    chunked: bool,
    _permit: Option<StreamPermit>,
) -> io::Result<()> {
    let mut piece = vec![0; STREAM_PIECE];
    let mut frame = Vec::with_capacity(STREAM_PIECE + 16);
    loop {
        // A source that panics ends like one that fails: the client sees an unfinished answer.
        let read = catch_unwind(AssertUnwindSafe(|| source.read(&mut piece)))
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        let patience = match read {
            Ok(count) => {
                frame.clear();
                frame_piece(&mut frame, piece.get(..count).unwrap_or_default(), chunked);
                wire.reset_measure();
                wire.write_all(&frame, Instant::now() + shared.config.write_timeout)?;
                if count == 0 {
                    return Ok(());
                }
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => STREAM_CHECK,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) =>
            {
                Duration::ZERO
            }
            Err(error) => return Err(error),
        };
        if shared.is_stopping() || wire.hung_up(patience) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
}

/// Appends one chunk; an empty one is the last.
fn frame_piece(frame: &mut Vec<u8>, piece: &[u8], chunked: bool) {
    if chunked {
        frame.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
    }
    frame.extend_from_slice(piece);
    if chunked {
        frame.extend_from_slice(b"\r\n");
    }
}
