//! The golden cross: buy when the short average of the price rises above the long one, sell when it
//! falls below. Pure, and no advice.

use std::collections::VecDeque;

use crate::protocol::Trade;

/// How long one bar lasts, in milliseconds of the market's time.
pub(crate) const BAR_MS: u64 = 1000;
/// Bars in the short average.
pub(crate) const SHORT: usize = 5;
/// Bars in the long average.
pub(crate) const LONG: usize = 20;

/// What the averages say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The short average has risen above the long one.
    GoldenCross,
    /// The short average has fallen below the long one.
    DeathCross,
}

impl Signal {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::GoldenCross => "golden_cross",
            Self::DeathCross => "death_cross",
        }
    }
}

/// One market as the strategy sees it: trades become bars, bars become averages.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    /// The bar under way: its number since the epoch, and its last price.
    bar: Option<(u64, f64)>,
    /// The last prices of the newest bars, at most [`LONG`] of them.
    closes: VecDeque<f64>,
    /// Whether the short average was above the long one.
    above: Option<bool>,
}

impl Chart {
    /// Takes a trade; a signal can come when it begins a new bar.
    pub(crate) fn push(&mut self, trade: &Trade) -> Option<Signal> {
        let number = trade.at_ms / BAR_MS;
        match self.bar.replace((number, trade.price)) {
            Some((last, close)) if last != number => self.close(close),
            _ => None,
        }
    }

    /// Ends a bar with this price.
    fn close(&mut self, price: f64) -> Option<Signal> {
        if self.closes.len() == LONG {
            self.closes.pop_front();
        }
        self.closes.push_back(price);
        let (short, long) = self.averages()?;
        #[expect(clippy::float_cmp, reason = "a flat market gives sums that are equal to the bit")]
        if short == long {
            return None;
        }
        // The first comparison says where the market stands; a cross is a change of that.
        match (self.above.replace(short > long), short > long) {
            (Some(false), true) => Some(Signal::GoldenCross),
            (Some(true), false) => Some(Signal::DeathCross),
            _ => None,
        }
    }

    /// The short and the long average, once there are bars enough.
    pub(crate) fn averages(&self) -> Option<(f64, f64)> {
        let average = |bars: usize| {
            let sum: f64 = self.closes.iter().rev().take(bars).sum();
            sum / f64::from(u32::try_from(bars).unwrap_or(u32::MAX))
        };
        (self.closes.len() == LONG).then(|| (average(SHORT), average(LONG)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signals of a market with these prices, one a second, and at which second each came.
    fn signals(prices: impl IntoIterator<Item = f64>) -> Vec<(u64, Signal)> {
        let mut chart = Chart::default();
        let trade = |(second, price): (u64, f64)| {
            let at_ms = second * BAR_MS;
            let symbol = "A".to_owned();
            let trade = Trade { symbol, id: second, price, quantity: 1.0, at_ms };
            chart.push(&trade).map(|signal| (second, signal))
        };
        (0..).zip(prices).filter_map(trade).collect()
    }

    #[test]
    fn a_valley_gives_a_golden_cross_and_a_hill_a_death_cross() {
        let down = (0..30).map(|n| 100.0 - f64::from(n));
        let up = (0..30).map(|n| 70.0 + f64::from(n));
        let (down, up): (Vec<_>, Vec<_>) = (down.collect(), up.collect());
        let crosses = signals([&down[..], &up[..], &down[..]].concat());
        let kinds: Vec<_> = crosses.iter().map(|(_, signal)| *signal).collect();
        assert_eq!(kinds, [Signal::GoldenCross, Signal::DeathCross]);
        assert!(crosses[0].0 > 30 && crosses[0].0 < 45, "soon after the turn: {crosses:?}");
    }

    #[test]
    fn a_flat_a_short_or_a_one_way_market_gives_none() {
        assert_eq!(signals([5.0; 100]), []);
        assert_eq!(signals((0..100).map(f64::from).map(|n| n + 1.0)), []);
        assert_eq!(signals([9.0, 1.0, 9.0, 1.0, 9.0]), []);
    }

    #[test]
    fn only_the_last_price_of_a_bar_counts_and_memory_is_bounded() {
        let mut chart = Chart::default();
        for n in 0..10_000_u64 {
            let price = if n % 10 == 9 { 5.0 } else { 1.0 };
            let trade = Trade {
                symbol: "A".to_owned(),
                id: n,
                price,
                quantity: 1.0,
                at_ms: n * BAR_MS / 10,
            };
            assert_eq!(chart.push(&trade), None);
        }
        assert_eq!(chart.closes, [5.0; LONG]);
    }
}
