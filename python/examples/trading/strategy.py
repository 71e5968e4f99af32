"""The golden cross: buy when the short average of the price rises above the long one, sell when it
falls below. Pure, and no advice. And play money: what there is, and what became of it."""

from __future__ import annotations

from collections import deque
from typing import Any, Optional

from .market import Trade

BAR_MS = 1000
SHORT, LONG = 5, 20
CASH, STAKE, FEE = 10_000.0, 100.0, 0.001
MOST_ORDERS = 100


class Chart:
    """One market as the strategy sees it: trades become bars, bars become averages."""

    def __init__(self) -> None:
        self.bar: Optional[tuple[int, float]] = None
        self.closes: deque[float] = deque(maxlen=LONG)
        self.above: Optional[bool] = None

    def push(self, trade: Trade) -> Optional[str]:
        """Takes a trade; a signal can come when it begins a new bar."""
        number = trade.at_ms // BAR_MS
        last, self.bar = self.bar, (number, trade.price)
        return self.close(last[1]) if last and last[0] != number else None

    def close(self, price: float) -> Optional[str]:
        self.closes.append(price)
        averages = self.averages()
        if averages is None or averages[0] == averages[1]:
            return None
        was, self.above = self.above, averages[0] > averages[1]
        # The first comparison says where the market stands; a cross is a change of that.
        if was is None or was == self.above:
            return None
        return "golden_cross" if self.above else "death_cross"

    def averages(self) -> Optional[tuple[float, float]]:
        """The short and the long average, once there are bars enough."""
        if len(self.closes) < LONG:
            return None
        newest = list(self.closes)
        return sum(newest[-SHORT:]) / SHORT, sum(newest) / LONG


Portfolio = dict[str, Any]


def new_portfolio() -> Portfolio:
    """JSON throughout, so that it can be persisted and shown."""
    return {"cash": CASH, "holdings": {}, "orders": [], "realized": 0.0}


def order(portfolio: Portfolio, signal: str, trade: Trade) -> Optional[str]:
    """Buys for ``STAKE``, or sells everything that is held; or why not."""
    if signal == "golden_cross":
        if portfolio["cash"] < STAKE:
            return "there is not enough cash"
        amount = STAKE * (1 - FEE) / trade.price
        held = portfolio["holdings"].setdefault(trade.symbol, {"amount": 0.0, "paid": 0.0})
        held["amount"] += amount
        held["paid"] += STAKE
        portfolio["cash"] -= STAKE
    else:
        if trade.symbol not in portfolio["holdings"]:
            return "none of it is held"
        held = portfolio["holdings"].pop(trade.symbol)
        amount = held["amount"]
        got = amount * trade.price * (1 - FEE)
        portfolio["cash"] += got
        portfolio["realized"] += got - held["paid"]
    side = "BUY" if signal == "golden_cross" else "SELL"
    filled = [trade.at_ms, trade.symbol, side, trade.price, amount, signal]
    portfolio["orders"] = [*portfolio["orders"], filled][-MOST_ORDERS:]
    return None


def worth(portfolio: Portfolio, prices: dict[str, float]) -> float:
    """Cash and holdings together; what has no price counts for what was paid."""
    held = portfolio["holdings"].items()
    return float(
        portfolio["cash"]
        + sum(h["amount"] * prices[s] if s in prices else h["paid"] for s, h in held)
    )
