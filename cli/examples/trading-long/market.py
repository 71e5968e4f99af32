"""The feed: a made-up market, replayed trade by trade, the same for the same seed.

Prices rise and fall in waves of a few minutes, with noise, so that a strategy has something to do. No
exchange is asked and no network needed.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Iterator

import hersh

SYMBOLS = ("BTC", "ETH", "SOL")
# From one high to the next, in trades of one symbol, and how far it swings.
WAVE = 240
SWING = 0.012
STEP_MS = 200
# 2025-01-01 00:00 UTC.
OPENED_MS = 1_735_689_600_000


@dataclass(frozen=True)
class Trade:
    symbol: str
    price: float
    quantity: float
    at_ms: int


def trades(seed: int = 1) -> Iterator[Trade]:
    """An endless series of trades."""
    dice = random.Random(seed)
    number = 0
    while True:
        for nth, symbol in enumerate(SYMBOLS):
            base = 70_000 / 25**nth
            phase = number / WAVE + nth / 3
            wave = 1 + SWING * math.sin(math.tau * phase) + 0.0005 * (dice.random() - 0.5)
            at_ms = OPENED_MS + number * STEP_MS
            yield Trade(symbol, round(base * wave, 2), round(0.001 + dice.random(), 5), at_ms)
        number += 1


def replay(channel: hersh.Channel, per_second: float, seed: int = 1) -> None:
    """Sends trades into the channel at this pace, until it is closed. For a thread of its own."""
    import time

    due = time.monotonic()
    for trade in trades(seed):
        try:
            # A watcher that is busy holds the market back: no trade is lost.
            channel.send(trade)
        except (hersh.ChannelClosed, hersh.NotRunning):
            return
        due += 1 / per_second
        time.sleep(max(0.0, due - time.monotonic()))
