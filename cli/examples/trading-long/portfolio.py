"""Play money: what there is, what was bought, and what became of it, in a file that survives."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

CASH = 10_000.0
# What a purchase costs, fee included, and the share of each order that the exchange keeps.
STAKE = 100.0
FEE = 0.001
# Orders that are remembered; older ones are forgotten.
MOST_ORDERS = 100


@dataclass(frozen=True)
class Order:
    at_ms: int
    symbol: str
    side: str
    price: float
    amount: float
    reason: str

    def row(self) -> str:
        clock = time.strftime("%H:%M:%S", time.gmtime(self.at_ms / 1000))
        value = self.price * self.amount
        return (
            f"{clock:<9}{self.symbol:<7}{self.side:<5}{self.price:>12.2f}"
            f"{self.amount:>12.6f}{value:>10.2f}  {self.reason}"
        )


@dataclass
class Portfolio:
    cash: float = CASH
    # What is held of each symbol: how much, and what was paid for it.
    held: dict[str, list[float]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    realized: float = 0.0

    def buy(self, at_ms: int, symbol: str, price: float, reason: str) -> bool:
        """Buys for STAKE; whether there was the cash for it."""
        if self.cash < STAKE:
            return False
        self.cash -= STAKE
        amount = STAKE * (1 - FEE) / price
        held = self.held.setdefault(symbol, [0.0, 0.0])
        held[0] += amount
        held[1] += STAKE
        self._remember(Order(at_ms, symbol, "BUY", price, amount, reason))
        return True

    def sell(self, at_ms: int, symbol: str, price: float, reason: str) -> bool:
        """Sells all that is held of a symbol; whether there was any."""
        if symbol not in self.held:
            return False
        amount, paid = self.held.pop(symbol)
        got = amount * price * (1 - FEE)
        self.cash += got
        self.realized += got - paid
        self._remember(Order(at_ms, symbol, "SELL", price, amount, reason))
        return True

    def worth(self, prices: dict[str, float]) -> float:
        """Cash and holdings together. What has no price counts for what was paid."""
        held = (
            amount * prices[symbol] if symbol in prices else paid
            for symbol, (amount, paid) in self.held.items()
        )
        return self.cash + sum(held)

    def _remember(self, order: Order) -> None:
        self.orders = [*self.orders, order][-MOST_ORDERS:]

    def save(self, file: Path) -> None:
        """Writes beside the old file and then renames: a sudden end leaves one or the other."""
        fresh = file.with_suffix(".new")
        with fresh.open("w") as to:
            json.dump(asdict(self), to)
            to.flush()
            os.fsync(to.fileno())
        fresh.replace(file)

    @classmethod
    def load(cls, file: Path) -> Portfolio:
        if not file.exists():
            return cls()
        kept = json.loads(file.read_text())
        kept["orders"] = [Order(**order) for order in kept["orders"]]
        return cls(**kept)
