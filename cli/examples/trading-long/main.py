"""A trading bot on a replayed market, with play money. It buys on a golden cross and sells on a death
cross, keeps its portfolio through restarts, and obeys commands:

``status`` (``s``), ``portfolio`` (``p``), ``trades`` (``t``), ``prices``, ``pause``, ``resume``,
``help`` (``h``), ``stop``

    hersh send trading-long portfolio
    hersh logs --tail 12 trading-long

TRADES_PER_SECOND sets the pace of the market (30), SEED which market it is (1).
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Optional

import hersh
from market import Trade, replay
from portfolio import Portfolio
from strategy import GOLDEN_CROSS, Chart

HELP = "status (s), portfolio (p), trades (t), prices, pause, resume, help (h), stop"
SHOWN_ORDERS = 10


class Bot:
    """Everything the bot knows. One execution at a time: nothing here needs a lock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.portfolio = Portfolio.load(file)
        self.charts: dict[str, Chart] = {}
        self.prices: dict[str, float] = {}
        self.seen = 0
        self.paused = False

    def trade(self, trade: Trade) -> Optional[str]:
        """Takes a trade of the market; tells what was bought or sold because of it."""
        self.seen += 1
        self.prices[trade.symbol] = trade.price
        signal = self.charts.setdefault(trade.symbol, Chart()).push(trade)
        if signal is None or self.paused:
            return None
        act = self.portfolio.buy if signal == GOLDEN_CROSS else self.portfolio.sell
        if not act(trade.at_ms, trade.symbol, trade.price, signal):
            return None
        self.portfolio.save(self._file)
        return self.portfolio.orders[-1].row()

    def answer(self, command: str) -> str:
        word = command.strip().lower()
        if word in ("status", "s"):
            return self.status()
        if word in ("portfolio", "p"):
            return self.holdings()
        if word in ("trades", "t"):
            return self.orders()
        if word == "prices":
            return self.quotes()
        if word in ("pause", "resume"):
            self.paused = word == "pause"
            return "paused: nothing is bought or sold" if self.paused else "trading"
        if word in ("help", "h"):
            return HELP
        if word == "stop":
            raise hersh.StopError("the user asked")
        return f"{command!r} is not known; there are {HELP}"

    def status(self) -> str:
        state = "paused" if self.paused else "trading"
        return (
            f"{state}: {self.seen} trades of {len(self.prices)} markets seen; "
            f"worth {self.portfolio.worth(self.prices):.2f}, won {self.portfolio.realized:.2f}, "
            f"{len(self.portfolio.held)} held, {len(self.portfolio.orders)} orders"
        )

    def holdings(self) -> str:
        lines = [f"{'Symbol':<9}{'Amount':>12}{'Paid':>11}{'Worth':>11}"]
        for symbol, (amount, paid) in sorted(self.portfolio.held.items()):
            worth = amount * self.prices[symbol] if symbol in self.prices else paid
            lines.append(f"{symbol:<9}{amount:>12.6f}{paid:>11.2f}{worth:>11.2f}")
        lines.append(f"{'cash':<9}{self.portfolio.cash:>34.2f}")
        lines.append(f"{'all':<9}{self.portfolio.worth(self.prices):>34.2f}")
        return "\n".join(lines)

    def orders(self) -> str:
        if not self.portfolio.orders:
            return "nothing bought or sold yet"
        head = f"{'Time':<9}{'Symbol':<7}{'Type':<5}{'Price':>12}{'Amount':>12}{'Value':>10}  Reason"
        rows = [order.row() for order in self.portfolio.orders[-SHOWN_ORDERS:]]
        return "\n".join([head, *rows])

    def quotes(self) -> str:
        if not self.prices:
            return "no prices yet"
        lines = [f"{'Symbol':<9}{'Price':>12}{'Short':>12}{'Long':>12}"]
        for symbol, price in sorted(self.prices.items()):
            averages = self.charts[symbol].averages()
            shown = [f"{average:.2f}" for average in averages] if averages else ["-", "-"]
            lines.append(f"{symbol:<9}{price:>12.2f}{shown[0]:>12}{shown[1]:>12}")
        return "\n".join(lines)


def install(watcher: hersh.Watcher, bot: Bot, feed: Any) -> None:
    """Gives the watcher what it is to do; a test gives it a simulation and a feed of its own."""

    @watcher.manage("trade")
    def app(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        trade = ctx.watch_flow("trades", feed)
        if trade.triggered:
            done = bot.trade(trade.value)
            if done is not None:
                print(done, flush=True)
        if msg is not None:
            answer = bot.answer(msg.content)
            print(answer, flush=True)
            ctx.set_value("answer", answer)
        ctx.set_value("worth", round(bot.portfolio.worth(bot.prices), 2))
        ctx.set_value("orders", len(bot.portfolio.orders))

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        print(bot.status(), flush=True)


def main() -> None:
    folder = Path(os.environ.get("HERSH_STATE_DIR", "."))
    channel = hersh.Channel(256)
    pace = float(os.environ.get("TRADES_PER_SECOND", "30"))
    seed = int(os.environ.get("SEED", "1"))
    watcher = hersh.Watcher(name="trading-long")
    install(watcher, Bot(folder / "portfolio.json"), channel)
    # `hersh dev` says where the WatcherAPI is to listen; a container is reached from outside.
    usual = "0.0.0.0:8080" if "HERSH_PROGRAM_ID" in os.environ else "127.0.0.1:8080"
    host, _, port = os.environ.get("HERSH_API_ADDR", usual).rpartition(":")
    print("its API:", watcher.start_api_server(port=int(port), host=host), flush=True)
    threading.Thread(target=replay, args=(channel, pace, seed), daemon=True).start()
    watcher.run()  # until Ctrl-C, SIGTERM, or the function says so
    channel.close()


if __name__ == "__main__":
    main()
