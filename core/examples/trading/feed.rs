//! The client of the WebSocket: brings trades into a channel, and itself back after a loss.
//!
//! It is an ordinary thread that knows nothing of watchers; the managed function watches its
//! channels. When nobody takes the trades, the channel fills, the thread waits, the socket fills,
//! and the market's server is what notices: nothing piles up here.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, select};
use tungstenite::http::Uri;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::protocol::Trade;

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// Trades that may wait to be served.
const WAITING: usize = 1024;
/// For each address to be reached, and then for each step of the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon the thread notices that it is to end.
const GLANCE: Duration = Duration::from_millis(200);
/// A server that pings every 20 seconds and has said nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Before the first attempt to come back; each further one waits twice as long, up to the most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// A trade is a few hundred bytes; whatever is much longer is none.
const MOST_BYTES: usize = 64 * 1024;

/// A connection to a market that is kept up until it is dropped.
pub(crate) struct Feed {
    /// Every trade, in order.
    pub(crate) trades: Receiver<Trade>,
    /// What becomes of the connection.
    pub(crate) news: Receiver<String>,
    alive: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Connects, and fails if the first attempt does: then there may be something better to do
    /// than to wait. Later losses are the feed's own business.
    pub(crate) fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        Self::connect_patiently(url, FIRST_RETRY)
    }

    fn connect_patiently(url: &str, first_retry: Duration) -> Result<Self, Box<dyn Error>> {
        let socket = dial(url)?;
        let ((to_trades, trades), (to_news, news)) = (bounded(WAITING), bounded(1));
        let (alive, ended) = bounded(0);
        let url = url.to_owned();
        let line = Line { url, first_retry, trades: to_trades, news: to_news, ended };
        let thread = thread::Builder::new().name("feed".to_owned());
        let thread = thread.spawn(move || line.run(socket))?;
        Ok(Self { trades, news, alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// Opens a WebSocket, over TLS if the address begins with `wss:`.
fn dial(url: &str) -> Result<Socket, Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("the address names no host")?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    let stream = reach(host, port)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // From the second time on it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES));
    let (socket, _) = tungstenite::client_tls_with_config(uri, stream, Some(limits), None)
        .map_err(|error| error.to_string())?;
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream,
        MaybeTlsStream::Rustls(tls) => &tls.sock,
        _ => return Err("this kind of connection is not known here".into()),
    };
    stream.set_read_timeout(Some(GLANCE))?;
    Ok(socket)
}

/// A connection to the first address of a host that can be reached.
fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = ErrorKind::NotFound.into();
    for address in (host, port).to_socket_addrs()?.take(4) {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The thread's side of a feed.
struct Line {
    url: String,
    first_retry: Duration,
    trades: Sender<Trade>,
    news: Sender<String>,
    /// Never brings anything; closed when the feed is to end.
    ended: Receiver<Infallible>,
}

impl Line {
    fn run(self, mut socket: Socket) {
        self.say("connected".to_owned());
        while let Err(lost) = self.pump(&mut socket) {
            self.say(format!("lost: {lost}"));
            match self.redial() {
                Some(again) => socket = again,
                None => return,
            }
            self.say("connected again".to_owned());
        }
        // A farewell; the server finds out without it too.
        let _ = socket.close(None).and_then(|()| socket.flush());
    }

    /// Brings trades until it is told to end (`Ok`) or the connection is lost.
    fn pump(&self, socket: &mut Socket) -> Result<(), Box<dyn Error>> {
        let mut heard = Instant::now();
        while self.ended.try_recv() != Err(TryRecvError::Disconnected) {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    heard = Instant::now();
                    let trade = Trade::read(&text).map_err(|error| error.to_string())?;
                    if !self.deliver(trade) {
                        return Ok(());
                    }
                }
                // The library answers pings and farewells with the next read; that one is also the
                // one that fails when the server has said farewell.
                Ok(_) => heard = Instant::now(),
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => {
                    if heard.elapsed() > SILENCE {
                        return Err("the server has gone silent".into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for room; `false` when there is nobody left to deliver to.
    fn deliver(&self, trade: Trade) -> bool {
        select! {
            send(self.trades, trade) -> sent => sent.is_ok(),
            recv(self.ended) -> _ => false,
        }
    }

    fn redial(&self) -> Option<Socket> {
        let mut wait = self.first_retry;
        while self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            match dial(&self.url) {
                Ok(socket) => return Some(socket),
                Err(error) => self.say(format!("no connection: {error}")),
            }
            wait = (wait * 2).min(LAST_RETRY);
        }
        None
    }

    /// News are for a watcher that takes them at once; when there is none, they are lost.
    fn say(&self, words: String) {
        let _ = self.news.try_send(words);
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use crate::protocol::address;
    use crate::replay::{Replay, Settings};

    const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
    const NO_WAIT: Settings = Settings { pace: Duration::ZERO, trades_each: None };

    fn market() -> Market {
        Market::new(7, &SYMBOLS)
    }

    fn take(feed: &Feed, count: usize) -> Vec<Trade> {
        // A limit for the day on which something is broken; nothing waits for it.
        let next = || feed.trades.recv_timeout(Duration::from_secs(60)).unwrap();
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn what_the_server_sends_arrives_in_order_and_whole() {
        let server = Replay::start(market(), NO_WAIT).unwrap();
        let base = format!("ws://{}", server.address());
        let feed = Feed::connect(&address(&base, &SYMBOLS)).unwrap();
        // Several times what the channel holds, so that it has held back the socket.
        assert!(take(&feed, 5_000).into_iter().eq(market().take(5_000)));
        assert_eq!(feed.news.try_recv().as_deref(), Ok("connected"));
    }

    #[test]
    fn only_what_was_asked_for_comes() {
        let server = Replay::start(market(), NO_WAIT).unwrap();
        let base = format!("ws://{}", server.address());
        let feed = Feed::connect(&address(&base, &["ETHUSDT"])).unwrap();
        assert!(take(&feed, 100).iter().all(|trade| trade.symbol == "ETHUSDT"));
    }

    #[test]
    fn a_lost_connection_is_made_again_and_nothing_that_was_sent_is_missing() {
        let settings = Settings { trades_each: Some(50), ..NO_WAIT };
        let server = Replay::start(market(), settings).unwrap();
        let url = address(&format!("ws://{}", server.address()), &SYMBOLS);
        let feed = Feed::connect_patiently(&url, Duration::from_millis(1)).unwrap();
        assert!(take(&feed, 175).into_iter().eq(market().take(175)));
    }

    #[test]
    fn where_there_is_no_market_the_first_attempt_says_so() {
        let server = Replay::start(market(), NO_WAIT).unwrap();
        let base = format!("ws://{}", server.address());
        for wrong in ["/", "/stream", "/stream?streams=btcusdt@depth"] {
            let error = Feed::connect(&format!("{base}{wrong}")).err().unwrap().to_string();
            assert!(error.contains("404"), "{error}");
        }
        drop(server);
        assert!(Feed::connect(&address(&base, &SYMBOLS)).is_err());
        assert!(Feed::connect("no address").is_err());
    }
}
