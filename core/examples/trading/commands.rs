//! What can be asked, and how it is answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::portfolio::{Order, Portfolio, Side};

/// A message that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Status,
    Portfolio,
    Trades,
    Prices,
    Help,
    Stop,
}

pub(crate) const HELP: &str = "status (s), portfolio (p), trades (t), prices, help (h), stop";

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "status" | "s" => Ok(Self::Status),
            "portfolio" | "p" => Ok(Self::Portfolio),
            "trades" | "t" => Ok(Self::Trades),
            "prices" => Ok(Self::Prices),
            "help" | "h" => Ok(Self::Help),
            "stop" => Ok(Self::Stop),
            other => Err(format!("{other:?} is not known; there are {HELP}")),
        }
    }
}

/// Everything an answer is made of.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The last words of the feed.
    pub(crate) feed: String,
    /// Trades seen.
    pub(crate) seen: u64,
    /// The newest price of each symbol.
    pub(crate) prices: BTreeMap<String, f64>,
    /// The short and the long average of each symbol that has them.
    pub(crate) averages: BTreeMap<String, (f64, f64)>,
    pub(crate) portfolio: Portfolio,
}

/// Orders shown by `trades`.
const SHOWN: usize = 10;

impl Book {
    /// The answer to a command.
    pub(crate) fn answer(&self, command: Command) -> String {
        match command {
            Command::Status => self.status(),
            Command::Portfolio => self.portfolio(),
            Command::Trades => self.trades(),
            Command::Prices => self.prices(),
            Command::Help => HELP.to_owned(),
            Command::Stop => "stopping".to_owned(),
        }
    }

    fn status(&self) -> String {
        let worth = self.portfolio.worth(&self.prices);
        format!(
            "feed: {}; {} trades of {} markets seen; worth {worth:.2}, won {:.2}, {} held",
            self.feed,
            self.seen,
            self.prices.len(),
            self.portfolio.realized,
            self.portfolio.holdings.len(),
        )
    }

    fn portfolio(&self) -> String {
        let mut text = format!("{:<9}{:>12}{:>11}{:>11}", "Symbol", "Amount", "Paid", "Worth");
        for (symbol, held) in &self.portfolio.holdings {
            let worth = self.prices.get(symbol).map_or(held.paid, |price| price * held.amount);
            // Writing to a text cannot fail; nor below.
            let _ =
                write!(text, "\n{symbol:<9}{:>12.6}{:>11.2}{worth:>11.2}", held.amount, held.paid);
        }
        let (cash, worth) = (self.portfolio.cash, self.portfolio.worth(&self.prices));
        let _ = write!(text, "\n{:<9}{:>34.2}\n{:<9}{:>34.2}", "cash", cash, "all", worth);
        text
    }

    fn trades(&self) -> String {
        if self.portfolio.orders.is_empty() {
            return "nothing bought or sold yet".to_owned();
        }
        let mut text = format!(
            "{:<9}{:<9}{:<5}{:>12}{:>12}{:>10}  {}",
            "Time", "Symbol", "Type", "Price", "Amount", "Value", "Reason"
        );
        for order in self.portfolio.orders.iter().rev().take(SHOWN).rev() {
            let _ = write!(text, "\n{}", row(order));
        }
        text
    }

    fn prices(&self) -> String {
        if self.prices.is_empty() {
            return "no prices yet".to_owned();
        }
        let row = |(symbol, price): (&String, &f64)| match self.averages.get(symbol) {
            Some((short, long)) => format!("{symbol:<9}{price:>12.2}{short:>12.2}{long:>12.2}"),
            None => format!("{symbol:<9}{price:>12.2}{:>12}{:>12}", "-", "-"),
        };
        let rows: Vec<_> = self.prices.iter().map(row).collect();
        format!("{:<9}{:>12}{:>12}{:>12}\n{}", "Symbol", "Price", "Short", "Long", rows.join("\n"))
    }
}

/// One order, as a line of a table.
pub(crate) fn row(order: &Order) -> String {
    let Order { at_ms, symbol, side, price, amount, reason } = order;
    let side = match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    };
    let (time, value) = (clock(*at_ms), price * amount);
    format!("{time:<9}{symbol:<9}{side:<5}{price:>12.2}{amount:>12.6}{value:>10.2}  {reason}")
}

/// The time of day in UTC.
fn clock(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portfolio::Occasion;

    #[test]
    fn commands_have_short_forms_and_nonsense_gets_help() {
        assert_eq!("status".parse(), Ok(Command::Status));
        assert_eq!(" P\n".parse(), Ok(Command::Portfolio));
        assert_eq!("t".parse(), Ok(Command::Trades));
        assert!("sell everything".parse::<Command>().unwrap_err().contains(HELP));
    }

    #[test]
    fn an_empty_book_answers_too() {
        let book = Book::default();
        assert_eq!(book.answer(Command::Trades), "nothing bought or sold yet");
        assert_eq!(book.answer(Command::Prices), "no prices yet");
        assert!(book.answer(Command::Portfolio).ends_with("10000.00"));
        assert!(book.answer(Command::Status).contains("0 trades of 0 markets"));
    }

    #[test]
    fn orders_are_shown_with_time_side_and_reason() {
        let mut book = Book::default();
        let at_ms = (22 * 3600 + 40 * 60 + 20) * 1000;
        let occasion = Occasion { at_ms, symbol: "BTCUSDT", price: 71252.01, reason: "test" };
        for _ in 0..12 {
            book.portfolio.buy(occasion).unwrap();
        }
        book.portfolio.sell(occasion).unwrap();
        let text = book.answer(Command::Trades);
        assert_eq!(text.lines().count(), SHOWN + 1);
        let last = text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(
            last,
            ["22:40:20", "BTCUSDT", "SELL", "71252.01", "0.016825", "1198.80", "test"]
        );
    }
}
