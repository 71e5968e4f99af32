"""A made-up market, and the form in which trades are told: Binance's combined trade streams."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

OPENED_MS = 1_735_689_600_000
STEP_MS = 200
WAVE = 300.0


class Trade(NamedTuple):
    """One trade between two strangers; the time in milliseconds since the Unix epoch."""

    symbol: str
    id: int
    price: float
    quantity: float
    at_ms: int

    @classmethod
    def read(cls, text: str) -> Trade:
        """Reads one message of a stream. ``ValueError`` when it is no trade."""
        try:
            data = json.loads(text)["data"]
            trade = cls(data["s"], data["t"], float(data["p"]), float(data["q"]), data["T"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not of the expected form: {error!r}") from error
        if not (0 < trade.price < math.inf and 0 < trade.quantity < math.inf):
            raise ValueError("no price or quantity")
        return trade

    def write(self) -> str:
        stream = f"{self.symbol.lower()}@trade"
        data = {"e": "trade", "E": self.at_ms, "s": self.symbol, "t": self.id, "T": self.at_ms}
        data |= {"p": f"{self.price:.8f}", "q": f"{self.quantity:.8f}", "m": True, "M": True}
        return json.dumps({"stream": stream, "data": data})


class Market:
    """An endless series of trades, the same for the same seed: waves with noise."""

    def __init__(self, seed: int, symbols: list[str]) -> None:
        self.dice = random.Random(seed)
        self.symbols = symbols

    def __iter__(self) -> Iterator[Trade]:
        made = 0
        while True:
            id, nth = made // len(self.symbols) + 1, made % len(self.symbols)
            phase = id / WAVE + nth / 3
            wave = 0.01 * math.sin(math.tau * phase) + 0.0005 * (self.dice.random() - 0.5)
            price = 70_000.0 / 25.0**nth * (1 + wave)
            quantity = round(0.001 + self.dice.random(), 5)
            at_ms = OPENED_MS + made * STEP_MS
            yield Trade(self.symbols[nth], id, round(price, 2), quantity, at_ms)
            made += 1
