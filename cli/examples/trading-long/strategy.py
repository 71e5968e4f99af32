"""The golden cross, long only: buy when the short average of the price rises above the long one, sell
when it falls below. Pure, and no advice.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, Optional

from market import Trade

# Bars of one second of the market's time, and how many of them each average takes.
BAR_MS = 1000
SHORT = 5
LONG = 20

GOLDEN_CROSS = "golden_cross"
DEATH_CROSS = "death_cross"


class Chart:
    """One market as the strategy sees it: trades become bars, bars become averages."""

    def __init__(self) -> None:
        self._bar: Optional[tuple[int, float]] = None
        self._closes: Deque[float] = deque(maxlen=LONG)
        self._above: Optional[bool] = None

    def push(self, trade: Trade) -> Optional[str]:
        """Takes a trade; a signal can come when it begins a new bar."""
        number = trade.at_ms // BAR_MS
        last, self._bar = self._bar, (number, trade.price)
        if last is None or last[0] == number:
            return None
        self._closes.append(last[1])
        averages = self.averages()
        if averages is None or averages[0] == averages[1]:
            return None
        above = averages[0] > averages[1]
        # The first comparison says where the market stands; a cross is a change of that.
        before, self._above = self._above, above
        if before is None or before == above:
            return None
        return GOLDEN_CROSS if above else DEATH_CROSS

    def averages(self) -> Optional[tuple[float, float]]:
        """The short and the long average, once there are bars enough."""
        if len(self._closes) < LONG:
            return None
        closes = list(self._closes)
        return sum(closes[-SHORT:]) / SHORT, sum(closes) / LONG
