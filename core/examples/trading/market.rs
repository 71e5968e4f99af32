//! A made-up market: prices that rise and fall in waves, with noise, the same for the same seed.

use std::f64::consts::TAU;

use crate::protocol::Trade;

/// An endless series of trades.
pub(crate) struct Market {
    dice: u64,
    made: u64,
    symbols: Vec<String>,
}

/// Between two trades, by the market's own clock.
const STEP_MS: u64 = 200;
/// 2025-01-01 00:00 UTC.
const OPENED_MS: u64 = 1_735_689_600_000;
/// From one high to the next, in trades of one symbol.
const WAVE: f64 = 300.0;

impl Market {
    pub(crate) fn new(seed: u64, symbols: &[&str]) -> Self {
        let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
        // Zero would stay zero for ever.
        Self { dice: seed.max(1), made: 0, symbols }
    }

    /// A number from 0 up to 1, by Marsaglia's xorshift.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        f64::from(u32::try_from(self.dice >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

impl Iterator for Market {
    type Item = Trade;

    fn next(&mut self) -> Option<Trade> {
        let count = u64::try_from(self.symbols.len()).ok().filter(|count| *count > 0)?;
        let (id, nth) = (self.made / count + 1, self.made % count);
        let at_ms = OPENED_MS + self.made * STEP_MS;
        self.made += 1;
        let nth = u32::try_from(nth).unwrap_or(0);
        // The first costs about 70,000, the second 2,800, and so on; they do not move in step.
        let base = 70_000.0 / 25_f64.powf(f64::from(nth));
        #[expect(clippy::cast_precision_loss, reason = "exact for the first 285,000 years")]
        let phase = id as f64 / WAVE + f64::from(nth) / 3.0;
        let price = base * (1.0 + 0.01 * (TAU * phase).sin() + 0.000_5 * (self.roll() - 0.5));
        let quantity = 0.001 + self.roll();
        let symbol = self.symbols.get(nth as usize)?.clone();
        Some(Trade { symbol, id, price: rounded(price, 2), quantity: rounded(quantity, 5), at_ms })
    }
}

/// To so many decimals, as markets quote.
fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_market_and_another_seed_another() {
        let made = |seed| Market::new(seed, &["A", "B"]).take(1000).collect::<Vec<_>>();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert_eq!(made(0).len(), 1000);
        assert_eq!(Market::new(1, &[]).next(), None);
    }

    #[test]
    fn every_trade_is_one_that_the_protocol_can_carry() {
        for trade in Market::new(3, &["A", "B"]).take(5000) {
            assert_eq!(Trade::read(&trade.write()).unwrap(), trade);
        }
    }
}
