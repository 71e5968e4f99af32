//! A trading bot that trades with play money on a real market, or on a made-up one.
//!
//! ```sh
//! cargo run -p hersh --example trading                                # live, else replayed
//! cargo run -p hersh --example trading -- --feed replay --seconds 15
//! cargo run -p hersh --example trading -- --feed wss://HOST/stream?streams=btcusdt@trade
//! ```
//!
//! It listens to the trades of two markets over one WebSocket. When the short average of a market's
//! price crosses above the long one, it buys; when it crosses below, it sells. Type `status`,
//! `portfolio`, `trades`, `prices`, `help` or `stop`, or send that over HTTP to the address that it
//! prints; the answer is on the screen, in `/watcher/logs?type=context` and in the value `answer`.
//!
//! # What is live and what is replayed
//! - `--feed live`: Binance's public stream of spot trades, over TLS. Needs no account. No order
//!   is ever placed.
//! - `--feed replay`: a server inside this program, on loopback, with the same protocol: one
//!   WebSocket, combined streams in the address, one JSON text per trade, pings. **Its prices are
//!   made up** from a seed, no recording of any market, and come some ten times faster than they claim.
//! - without `--feed`: live when the connection comes about, else replayed; it says which.
//!
//! # Where things are
//! `trader` is the managed function; `strategy` and `portfolio` are pure and know of no watcher;
//! `feed` is the client of the WebSocket, `protocol` what is said there, `replay` the server and
//! `market` its prices; `commands` reads what is typed and words the answers.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod feed;
mod market;
mod portfolio;
mod protocol;
mod replay;
mod strategy;
mod trader;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use common::Args;
use feed::Feed;
use hersh::Watcher;
use market::Market;
use replay::{Replay, Settings};

const LIVE: &str = "wss://stream.binance.com:9443";
const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

fn main() -> ExitCode {
    common::ended(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::parse(std::env::args().skip(1), &["--feed"])?;
    // The server must outlive its client, so it is declared first and dropped last.
    let mut server = None;
    let feed = open(Source::parse(args.get("--feed"))?, &mut server)?;
    let builder = Watcher::builder().parent(&args.lifetime());
    let watcher = trader::watcher(builder, feed.trades.clone(), feed.news.clone())?;
    common::run(&watcher, &args, io::BufReader::new(io::stdin()))
}

/// Where trades come from.
#[derive(Debug, PartialEq)]
enum Source {
    Live,
    Replay,
    LiveElseReplay,
    Url(String),
}

impl Source {
    fn parse(feed: Option<&str>) -> Result<Self, String> {
        match feed {
            None => Ok(Self::LiveElseReplay),
            Some("live") => Ok(Self::Live),
            Some("replay") => Ok(Self::Replay),
            Some(url) if url.starts_with("ws://") || url.starts_with("wss://") => {
                Ok(Self::Url(url.to_owned()))
            }
            Some(_) => Err("--feed is live, replay, or an address: ws://… or wss://…".to_owned()),
        }
    }
}

fn open(source: Source, server: &mut Option<Replay>) -> Result<Feed, Box<dyn Error>> {
    let live = || Feed::connect(&protocol::address(LIVE, &SYMBOLS));
    let mut replay = || -> Result<Feed, Box<dyn Error>> {
        let started = server.insert(Replay::start(Market::new(7, &SYMBOLS), Settings::default())?);
        println!("replaying a made-up market at ws://{}", started.address());
        let base = format!("ws://{}", started.address());
        Feed::connect(&protocol::address(&base, &SYMBOLS))
    };
    match source {
        Source::Url(url) => Feed::connect(&url),
        Source::Live => live(),
        Source::Replay => replay(),
        Source::LiveElseReplay => match live() {
            Ok(feed) => {
                println!("live from {LIVE}");
                Ok(feed)
            }
            Err(error) => {
                println!("no live market here: {error}");
                replay()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_chosen_by_name_or_address() {
        assert_eq!(Source::parse(None), Ok(Source::LiveElseReplay));
        assert_eq!(Source::parse(Some("replay")), Ok(Source::Replay));
        assert_eq!(Source::parse(Some("live")), Ok(Source::Live));
        assert_eq!(Source::parse(Some("ws://x/y")), Ok(Source::Url("ws://x/y".to_owned())));
        assert!(Source::parse(Some("http://x")).is_err() && Source::parse(Some("")).is_err());
    }

    /// The whole program but its arguments: threads, a socket, a script.
    #[test]
    fn a_scripted_run_on_the_replayed_market_ends_by_itself() {
        let mut server = None;
        let feed = open(Source::Replay, &mut server).unwrap();
        let (trades, news) = (feed.trades.clone(), feed.news.clone());
        let watcher = trader::watcher(Watcher::builder(), trades, news).unwrap();
        let script = &b"status\nprices\nportfolio\ntrades\nstop\n"[..];
        common::run(&watcher, &Args::default(), script).unwrap();
        let counters = watcher.stats().counters;
        assert!(counters.executions >= 6 && counters.errors == 0, "{counters:?}");
    }
}
