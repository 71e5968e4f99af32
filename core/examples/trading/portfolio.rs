//! Play money: what there is, what was bought, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

/// What one begins with.
pub(crate) const CASH: f64 = 10_000.0;
/// What a purchase costs, fee included.
pub(crate) const STAKE: f64 = 100.0;
/// Share of each order that the exchange keeps: Binance's usual 0.1 %.
pub(crate) const FEE: f64 = 0.001;
/// Orders that are remembered; older ones are forgotten.
const MOST_ORDERS: usize = 100;

/// Cash, holdings, and the newest orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Portfolio {
    pub(crate) cash: f64,
    /// What is held of each symbol, and what was paid for it.
    pub(crate) holdings: BTreeMap<String, Holding>,
    /// The newest orders, oldest first.
    pub(crate) orders: VecDeque<Order>,
    /// Won and lost with what has been sold.
    pub(crate) realized: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holding {
    pub(crate) amount: f64,
    pub(crate) paid: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Buy,
    Sell,
}

/// An order that was filled, at the price of the trade that caused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) at_ms: u64,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) price: f64,
    pub(crate) amount: f64,
    pub(crate) reason: String,
}

/// Why nothing was bought or sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NoCash,
    NothingHeld,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCash => "there is not enough cash",
            Self::NothingHeld => "none of it is held",
        })
    }
}

/// Where, when and why an order is placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) at_ms: u64,
    pub(crate) symbol: &'a str,
    pub(crate) price: f64,
    pub(crate) reason: &'a str,
}

impl Default for Portfolio {
    fn default() -> Self {
        let (holdings, orders) = (BTreeMap::new(), VecDeque::new());
        Self { cash: CASH, holdings, orders, realized: 0.0 }
    }
}

impl Portfolio {
    /// Buys for [`STAKE`].
    pub(crate) fn buy(&mut self, occasion: Occasion<'_>) -> Result<&Order, Refused> {
        if self.cash < STAKE {
            return Err(Refused::NoCash);
        }
        self.cash -= STAKE;
        let amount = STAKE * (1.0 - FEE) / occasion.price;
        let holding = self.holdings.entry(occasion.symbol.to_owned()).or_default();
        holding.amount += amount;
        holding.paid += STAKE;
        Ok(self.remember(Side::Buy, amount, occasion))
    }

    /// Sells everything that is held of a symbol.
    pub(crate) fn sell(&mut self, occasion: Occasion<'_>) -> Result<&Order, Refused> {
        let Holding { amount, paid } =
            self.holdings.remove(occasion.symbol).ok_or(Refused::NothingHeld)?;
        let got = amount * occasion.price * (1.0 - FEE);
        self.cash += got;
        self.realized += got - paid;
        Ok(self.remember(Side::Sell, amount, occasion))
    }

    fn remember(&mut self, side: Side, amount: f64, occasion: Occasion<'_>) -> &Order {
        let Occasion { at_ms, symbol, price, reason } = occasion;
        let (symbol, reason) = (symbol.to_owned(), reason.to_owned());
        if self.orders.len() == MOST_ORDERS {
            self.orders.pop_front();
        }
        self.orders.push_back(Order { at_ms, symbol, side, price, amount, reason });
        &self.orders[self.orders.len() - 1]
    }

    /// Cash and holdings together. What has no price counts for what was paid.
    pub(crate) fn worth(&self, prices: &BTreeMap<String, f64>) -> f64 {
        let held = self.holdings.iter().map(|(symbol, held)| {
            prices.get(symbol).map_or(held.paid, |price| held.amount * price)
        });
        self.cash + held.sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(price: f64) -> Occasion<'static> {
        Occasion { at_ms: 0, symbol: "A", price, reason: "test" }
    }

    fn is_close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn money_is_neither_made_nor_lost_but_by_price_and_fee() {
        let mut portfolio = Portfolio::default();
        portfolio.buy(at(10.0)).unwrap();
        assert!(is_close(portfolio.cash, CASH - STAKE));
        let prices = BTreeMap::from([("A".to_owned(), 10.0)]);
        assert!(is_close(portfolio.worth(&prices), CASH - STAKE * FEE));
        assert!(is_close(portfolio.worth(&BTreeMap::new()), CASH), "without a price");
        portfolio.sell(at(20.0)).unwrap();
        let got = 2.0 * STAKE * (1.0 - FEE) * (1.0 - FEE);
        assert!(is_close(portfolio.cash, CASH - STAKE + got));
        assert!(is_close(portfolio.realized, got - STAKE));
        assert!(portfolio.holdings.is_empty());
    }

    #[test]
    fn what_cannot_be_paid_or_is_not_held_is_refused_and_changes_nothing() {
        let mut portfolio = Portfolio::default();
        assert_eq!(portfolio.sell(at(1.0)), Err(Refused::NothingHeld));
        assert_eq!(portfolio, Portfolio::default());
        let bought = std::iter::repeat_with(|| portfolio.buy(at(1.0)).is_ok());
        assert_eq!(bought.take(200).filter(|bought| *bought).count(), 100);
        assert!(portfolio.cash >= 0.0);
        assert_eq!(portfolio.buy(at(1.0)), Err(Refused::NoCash));
    }

    #[test]
    fn only_the_newest_orders_are_remembered() {
        let mut portfolio = Portfolio::default();
        for n in 0..150 {
            let price = 1.0 + f64::from(n);
            portfolio.buy(at(price)).unwrap();
            portfolio.sell(at(price)).unwrap();
        }
        assert_eq!(portfolio.orders.len(), MOST_ORDERS);
        assert!(is_close(portfolio.orders[MOST_ORDERS - 1].price, 150.0));
    }
}
