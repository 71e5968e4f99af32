//! What is said over the WebSocket: Binance's combined trade streams.
//!
//! A client names its streams in the address, `/stream?streams=btcusdt@trade/ethusdt@trade`, and
//! then gets one JSON text per trade:
//!
//! ```json
//! {"stream":"btcusdt@trade","data":{"e":"trade","E":1735689600000,"s":"BTCUSDT","t":1,
//!  "p":"71252.01000000","q":"0.00140000","T":1735689600000,"m":true,"M":true}}
//! ```
//!
//! Numbers that must be exact are texts. The server pings every 20 seconds, and ends a connection
//! that does not answer within a minute, and any after 24 hours.
//! Source: Binance's "WebSocket Streams" documentation of its spot API.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// One trade between two strangers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trade {
    /// The market, like `BTCUSDT`.
    pub(crate) symbol: String,
    /// Counts the market's trades.
    pub(crate) id: u64,
    /// In the second currency of the symbol. A double is exact enough for play money.
    pub(crate) price: f64,
    /// In the first currency of the symbol.
    pub(crate) quantity: f64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

/// What came is no trade.
#[derive(Debug)]
pub(crate) enum NoTrade {
    NotJson(serde_json::Error),
    Price(String),
}

impl fmt::Display for NoTrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(f, "not of the expected form: {error}"),
            Self::Price(text) => write!(f, "{text:?} is no price or quantity"),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    data: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "t")]
    id: u64,
    #[serde(rename = "p")]
    price: String,
    #[serde(rename = "q")]
    quantity: String,
    #[serde(rename = "T")]
    at_ms: u64,
}

impl Trade {
    /// Reads one message of a combined stream.
    pub(crate) fn read(text: &str) -> Result<Self, NoTrade> {
        let Envelope { data } = serde_json::from_str(text).map_err(NoTrade::NotJson)?;
        let Event { symbol, id, price, quantity, at_ms } = data;
        let (price, quantity) = (positive(&price)?, positive(&quantity)?);
        Ok(Self { symbol, id, price, quantity, at_ms })
    }

    /// Writes it as the server sends it.
    pub(crate) fn write(&self) -> String {
        let Self { symbol, id, price, quantity, at_ms } = self;
        let data = json!({
            "e": "trade", "E": at_ms, "s": symbol, "t": id, "p": format!("{price:.8}"),
            "q": format!("{quantity:.8}"), "T": at_ms, "m": false, "M": true,
        });
        json!({ "stream": stream(symbol), "data": data }).to_string()
    }
}

/// A text like `0.5` as a number. One that is not above zero would poison every average.
fn positive(text: &str) -> Result<f64, NoTrade> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| NoTrade::Price(text.to_owned()))
}

fn stream(symbol: &str) -> String {
    format!("{}@trade", symbol.to_ascii_lowercase())
}

/// The address of the trades of these symbols.
pub(crate) fn address(base: &str, symbols: &[&str]) -> String {
    let streams: Vec<_> = symbols.iter().map(|symbol| stream(symbol)).collect();
    format!("{base}/stream?streams={}", streams.join("/"))
}

/// The symbols that an address asks for, as the server reads it; `None` when it is none of ours.
pub(crate) fn symbols(path: &str, query: Option<&str>) -> Option<Vec<String>> {
    let streams = query?.strip_prefix("streams=").filter(|_| path == "/stream")?;
    let symbol = |stream: &str| stream.strip_suffix("@trade").map(str::to_ascii_uppercase);
    streams.split('/').map(symbol).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1735689600123,
        "s":"BTCUSDT","t":42,"p":"71252.01000000","q":"0.00140000","T":1735689600120,
        "m":true,"M":true}}"#;

    #[test]
    fn a_trade_is_read_and_what_is_written_reads_the_same() {
        let trade = Trade::read(REAL).unwrap();
        assert_eq!((trade.symbol.as_str(), trade.id, trade.price), ("BTCUSDT", 42, 71252.01));
        assert_eq!((trade.quantity, trade.at_ms), (0.0014, 1_735_689_600_120));
        assert_eq!(Trade::read(&trade.write()).unwrap(), trade);
    }

    #[test]
    fn what_is_no_trade_is_refused() {
        for price in ["0", "-1", "NaN", "inf", "much"] {
            let text = REAL.replace("71252.01000000", price);
            assert!(matches!(Trade::read(&text), Err(NoTrade::Price(_))), "{price}");
        }
        for text in ["", "{}", r#"{"result":null,"id":1}"#, &REAL[..REAL.len() - 1]] {
            assert!(matches!(Trade::read(text), Err(NoTrade::NotJson(_))), "{text}");
        }
    }

    #[test]
    fn an_address_names_its_symbols() {
        let address = address("ws://host:1", &["BTCUSDT", "ETHUSDT"]);
        assert_eq!(address, "ws://host:1/stream?streams=btcusdt@trade/ethusdt@trade");
        let query = Some("streams=btcusdt@trade/ethusdt@trade");
        assert_eq!(symbols("/stream", query).unwrap(), ["BTCUSDT", "ETHUSDT"]);
        assert_eq!(symbols("/ws", query), None);
        assert_eq!(symbols("/stream", Some("streams=btcusdt@depth")), None);
    }
}
