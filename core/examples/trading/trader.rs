//! The managed function: what happens when a trade, news of the feed or a message comes.

use std::collections::BTreeMap;
use std::error::Error;

use crossbeam_channel::Receiver;
use hersh::{Builder, Context, ManagedError, Message, Watcher};

use crate::commands::{Book, Command, HELP, row};
use crate::common::{answer, tell};
use crate::portfolio::{Occasion, Portfolio};
use crate::protocol::Trade;
use crate::strategy::{Chart, Signal};

/// A watcher that trades on what these channels bring. Where they end, it does not care: at a
/// socket, or in a test.
pub(crate) fn watcher(
    builder: Builder,
    trades: Receiver<Trade>,
    news: Receiver<String>,
) -> Result<Watcher, Box<dyn Error>> {
    let watcher = builder.name("trader").build()?;
    let mut managed = Trader { trades, news, charts: BTreeMap::new() };
    watcher.manage("trade on golden crosses", move |message, ctx| managed.execute(message, ctx))?;
    watcher.cleanup(|ctx| {
        if let Ok(book) = book(ctx) {
            tell(ctx, &book.answer(Command::Status));
        }
    })?;
    Ok(watcher)
}

/// What the function keeps to itself. What others may see, and what a restart should find again,
/// it keeps in context values instead: `portfolio`, `prices`, `seen`.
struct Trader {
    trades: Receiver<Trade>,
    news: Receiver<String>,
    charts: BTreeMap<String, Chart>,
}

impl Trader {
    fn execute(&mut self, message: Option<&Message>, ctx: &Context) -> Result<(), ManagedError> {
        if ctx.execution() == 1 {
            // A new session; the gap since the last one belongs in no average.
            self.charts.clear();
            tell(ctx, HELP);
        }
        // Every trade counts, so each gets an execution of its own. Of the feed's news only the
        // newest matters.
        let trade = ctx.watch_flow("trade", &self.trades)?;
        let news = ctx.watch_flow_latest("feed", &self.news)?;
        if let (true, Some(words)) = (news.triggered(), news.value()) {
            ctx.set_value("feed", words.clone());
            tell(ctx, &format!("feed: {words}"));
        }
        if let (true, Some(trade)) = (trade.triggered(), trade.value()) {
            self.react(trade, ctx)?;
        }
        match message {
            Some(message) => self.obey(message.content(), ctx),
            None => Ok(()),
        }
    }

    fn react(&mut self, trade: &Trade, ctx: &Context) -> Result<(), ManagedError> {
        ctx.update_value("seen", |seen: Option<u64>| Ok(seen.unwrap_or(0) + 1))?;
        ctx.update_value("prices", |prices: Option<BTreeMap<String, f64>>| {
            let mut prices = prices.unwrap_or_default();
            prices.insert(trade.symbol.clone(), trade.price);
            Ok(prices)
        })?;
        let chart = self.charts.entry(trade.symbol.clone()).or_default();
        match chart.push(trade) {
            Some(signal) => order(signal, trade, ctx),
            None => Ok(()),
        }
    }

    fn obey(&self, words: &str, ctx: &Context) -> Result<(), ManagedError> {
        let command = match words.parse::<Command>() {
            Ok(command) => command,
            Err(unknown) => {
                answer(ctx, &unknown);
                return Ok(());
            }
        };
        let averages = self.charts.iter().filter_map(|(symbol, chart)| {
            chart.averages().map(|averages| (symbol.clone(), averages))
        });
        let book = Book { averages: averages.collect(), ..book(ctx)? };
        answer(ctx, &book.answer(command));
        match command {
            Command::Stop => Err(ManagedError::stop("the user asked")),
            _ => Ok(()),
        }
    }
}

/// Buys or sells, and says so.
fn order(signal: Signal, trade: &Trade, ctx: &Context) -> Result<(), ManagedError> {
    let reason = signal.as_str();
    let occasion =
        Occasion { at_ms: trade.at_ms, symbol: &trade.symbol, price: trade.price, reason };
    let mut portfolio = ctx.get_value::<Portfolio>("portfolio")?.unwrap_or_default();
    let done = match signal {
        Signal::GoldenCross => portfolio.buy(occasion),
        Signal::DeathCross => portfolio.sell(occasion),
    };
    let words = match done {
        Ok(order) => row(order),
        Err(refused) => format!("{reason} of {}, but {refused}", trade.symbol),
    };
    ctx.set_value("portfolio", portfolio);
    tell(ctx, &words);
    Ok(())
}

/// What the context values know.
fn book(ctx: &Context) -> Result<Book, hersh::ValueError> {
    Ok(Book {
        feed: ctx.get_value("feed")?.unwrap_or_else(|| "not connected".to_owned()),
        seen: ctx.get_value("seen")?.unwrap_or_default(),
        prices: ctx.get_value("prices")?.unwrap_or_default(),
        averages: BTreeMap::new(),
        portfolio: ctx.get_value("portfolio")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Sender, bounded};
    use hersh::State;
    use hersh::sim::Simulation;

    use super::*;
    use crate::market::Market;
    use crate::portfolio::{CASH, Side};

    struct Desk {
        sim: Simulation,
        watcher: Watcher,
        trades: Sender<Trade>,
        news: Sender<String>,
    }

    fn desk() -> Desk {
        let sim = Simulation::new(1);
        let ((trades, from_trades), (news, from_news)) = (bounded(10_000), bounded(10));
        let watcher = watcher(sim.builder(), from_trades, from_news).unwrap();
        watcher.start().unwrap();
        Desk { sim, watcher, trades, news }
    }

    impl Desk {
        /// Lets so many trades of the made-up market happen.
        fn trade(&self, count: usize) {
            for trade in Market::new(7, &["BTCUSDT", "ETHUSDT"]).take(count) {
                self.trades.send(trade).unwrap();
            }
            self.sim.run_until_idle();
        }

        fn ask(&self, words: &str) -> String {
            self.watcher.send_message(words).unwrap();
            self.sim.run_until_idle();
            self.watcher.values()["answer"].get::<String>().cloned().unwrap()
        }

        fn portfolio(&self) -> Portfolio {
            let values = self.watcher.values();
            values.get("portfolio").and_then(|value| value.get()).cloned().unwrap_or_default()
        }
    }

    #[test]
    fn waves_are_bought_at_the_bottom_and_sold_at_the_top() {
        let desk = desk();
        desk.trade(6000);
        let portfolio = desk.portfolio();
        let sides = |symbol: &str| {
            let orders = portfolio.orders.iter().filter(move |order| order.symbol == symbol);
            orders.map(|order| order.side).collect::<Vec<_>>()
        };
        for symbol in ["BTCUSDT", "ETHUSDT"] {
            let sides = sides(symbol);
            assert!(sides.iter().filter(|side| **side == Side::Buy).count() >= 5, "{sides:?}");
            assert!(sides.windows(2).all(|pair| pair[0] != pair[1]), "{sides:?}");
        }
        assert!(portfolio.realized > 0.0, "such regular waves are easy money: {portfolio:?}");
    }

    #[test]
    fn every_trade_is_seen_once_and_two_runs_are_the_same() {
        let (one, other) = (desk(), desk());
        one.trade(2000);
        other.trade(2000);
        assert_eq!(one.watcher.values()["seen"].get::<u64>(), Some(&2000));
        assert_eq!(one.watcher.stats().counters.executions, 2001);
        assert_eq!(one.portfolio(), other.portfolio());
        assert_eq!(one.sim.trace().to_string(), other.sim.trace().to_string());
    }

    #[test]
    fn questions_are_answered_before_the_first_trade_and_after() {
        let desk = desk();
        assert!(desk.ask("status").contains("not connected; 0 trades"));
        assert!(desk.ask("sell all").contains("is not known; there are status"));
        desk.news.send("connected".to_owned()).unwrap();
        desk.trade(3000);
        let status = desk.ask("s");
        assert!(status.contains("feed: connected; 3000 trades of 2 markets"), "{status}");
        assert!(desk.ask("prices").contains("BTCUSDT"));
        assert!(desk.ask("trades").contains("golden_cross"));
        assert!(desk.ask("portfolio").contains("cash"));
    }

    #[test]
    fn stop_ends_it_with_its_money() {
        let desk = desk();
        assert_eq!(desk.ask("stop"), "stopping");
        assert_eq!(desk.watcher.state(), State::Stopped);
        assert!((desk.portfolio().cash - CASH).abs() < 1e-9);
    }
}
