"""Tries the bot in a simulation: hours of the market take a moment."""

from __future__ import annotations

import itertools
import tempfile
import unittest
from pathlib import Path

import hersh
from hersh.testing import Simulation

import main
from market import Trade, trades
from portfolio import CASH, FEE, STAKE, Portfolio
from strategy import DEATH_CROSS, GOLDEN_CROSS, Chart


class Strategy(unittest.TestCase):
    def signals(self, prices: list[float]) -> list[str]:
        chart = Chart()
        made = (
            chart.push(Trade("A", price, 1.0, second * 1000)) for second, price in enumerate(prices)
        )
        return [signal for signal in made if signal]

    def test_a_valley_gives_a_golden_cross_and_a_hill_a_death_cross(self) -> None:
        down = [100.0 - n for n in range(30)]
        up = [70.0 + n for n in range(30)]
        self.assertEqual(self.signals(down + up + down), [GOLDEN_CROSS, DEATH_CROSS])

    def test_a_flat_or_a_one_way_market_gives_none(self) -> None:
        self.assertEqual(self.signals([5.0] * 100), [])
        self.assertEqual(self.signals([float(n) for n in range(1, 100)]), [])


class Money(unittest.TestCase):
    def test_it_is_neither_made_nor_lost_but_by_price_and_fee(self) -> None:
        portfolio = Portfolio()
        self.assertFalse(portfolio.sell(0, "A", 1.0, "test"))
        self.assertTrue(portfolio.buy(0, "A", 10.0, "test"))
        self.assertAlmostEqual(portfolio.worth({"A": 10.0}), CASH - STAKE * FEE)
        self.assertTrue(portfolio.sell(0, "A", 20.0, "test"))
        got = 2 * STAKE * (1 - FEE) ** 2
        self.assertAlmostEqual(portfolio.cash, CASH - STAKE + got)
        self.assertAlmostEqual(portfolio.realized, got - STAKE)

    def test_it_ends(self) -> None:
        portfolio = Portfolio()
        bought = sum(portfolio.buy(0, "A", 1.0, "test") for _ in range(200))
        self.assertEqual(bought, CASH / STAKE)


class Trading(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "portfolio.json"
        self.sim = Simulation(seed=7)

    def test_an_hour_of_the_market_is_traded_and_the_portfolio_survives(self) -> None:
        bot = main.Bot(self.file)
        for trade in itertools.islice(trades(), 50_000):
            bot.trade(trade)
        sides = {order.side for order in bot.portfolio.orders}
        self.assertEqual(sides, {"BUY", "SELL"})
        self.assertEqual(main.Bot(self.file).portfolio, bot.portfolio)

    def test_commands_are_answered(self) -> None:
        watcher = self.sim.watcher(name="test")
        channel = hersh.Channel(256)
        main.install(watcher, main.Bot(self.file), channel)
        watcher.start()
        self.sim.run_until_idle()
        for trade in itertools.islice(trades(), 60):
            channel.send(trade)
            self.sim.run_until_idle()
        for command, wanted in [
            ("s", "60 trades of 3 markets seen"),
            ("portfolio", "cash"),
            ("t", "nothing bought or sold yet"),
            ("prices", "BTC"),
            ("pause", "paused"),
            ("sell everything", "is not known"),
        ]:
            watcher.send_message(command)
            self.sim.run_until_idle()
            self.assertIn(wanted, watcher.values["answer"])
        watcher.send_message("stop")
        self.sim.run_until_idle()
        self.assertEqual(watcher.state, hersh.State.STOPPED)


if __name__ == "__main__":
    unittest.main()
