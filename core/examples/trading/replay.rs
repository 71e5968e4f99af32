//! A server that speaks the protocol of the market's stream, over a real socket, with trades that
//! are made up. It knows addresses of combined trade streams and nothing else of the exchange.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::{Message, WebSocket};

use crate::market::Market;
use crate::protocol::symbols;

/// For each step of a handshake, and for a client that does not read.
const PATIENCE: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(20);

/// How trades are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Between two trades; zero for as fast as the client takes them.
    pub(crate) pace: Duration,
    /// After so many the server closes the connection, as the real one does after a day.
    pub(crate) trades_each: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pace: Duration::from_millis(10), trades_each: None }
    }
}

/// A server on loopback, for one client at a time, that runs until it is dropped.
pub(crate) struct Replay {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    pub(crate) fn start(market: Market, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let mut desk = Desk { market, settings, ended: Arc::clone(&ended) };
        let thread = thread::Builder::new().name("replay".to_owned());
        let thread = thread.spawn(move || desk.serve(&listener))?;
        Ok(Self { address, ended, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes a thread that waits for a client.
        let woken = TcpStream::connect_timeout(&self.address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

struct Desk {
    market: Market,
    settings: Settings,
    ended: Arc<AtomicBool>,
}

impl Desk {
    fn serve(&mut self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_ended() {
                return;
            }
            match stream {
                // However it ends, the next client is welcome.
                Ok(stream) => drop(self.talk(stream)),
                // No file handle is left, perhaps: asking at once again would not help.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn talk(&mut self, stream: TcpStream) -> Result<(), tungstenite::Error> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wanted = Vec::new();
        #[expect(clippy::result_large_err, reason = "the library's own signature")]
        let welcome = |request: &Request, response: Response| {
            wanted = symbols(request.uri().path(), request.uri().query()).ok_or_else(not_found)?;
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, welcome)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let (mut pinged, mut sent) = (Instant::now(), 0);
        while !self.is_ended() && self.settings.trades_each.is_none_or(|most| sent < most) {
            let Some(trade) = self.market.next() else { break };
            if !wanted.contains(&trade.symbol) {
                continue;
            }
            socket.send(Message::text(trade.write()))?;
            sent += 1;
            if pinged.elapsed() >= PING_EVERY {
                pinged = Instant::now();
                socket.send(Message::Ping(trade.at_ms.to_string().into()))?;
            }
            self.pause(&mut socket)?;
        }
        socket.close(None)?;
        // The farewell is over when the client has answered it, and that is when reading fails.
        socket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let heard = std::iter::repeat_with(|| socket.read());
        heard.take(100).find_map(Result::err).map_or(Ok(()), Err)
    }

    /// Waits until the next trade is due, by listening to the client: for its pongs, for its end.
    fn pause(&self, socket: &mut WebSocket<TcpStream>) -> Result<(), tungstenite::Error> {
        if self.settings.pace.is_zero() {
            return Ok(());
        }
        socket.get_ref().set_read_timeout(Some(self.settings.pace))?;
        match socket.read() {
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(())
            }
            heard => heard.map(drop),
        }
    }
}

fn not_found() -> ErrorResponse {
    let mut refusal = ErrorResponse::new(Some("there are only combined trade streams".to_owned()));
    *refusal.status_mut() = StatusCode::NOT_FOUND;
    refusal
}
