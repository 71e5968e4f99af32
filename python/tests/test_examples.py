"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG

import hersh
from hersh.testing import Simulation

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def within_reach(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield


def run(*command: str, typed: str = "", cwd: Path = EXAMPLES) -> str:
    ran = subprocess.run(
        [sys.executable, "-u", *command],
        input=typed,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
        cwd=cwd,
    )
    return ran.stdout


def test_the_counter_counts() -> None:
    assert "message 1: hello\nmessage 2: stop\nticks: 0\n" in run("counter.py", "hello")


def test_prices_are_watched() -> None:
    said = run("price_watch.py", "2").splitlines()
    assert len(said) == 3 and said[-1] == "moves: 2" and said[0].startswith("nothing -> ")


def test_tickets_are_not_lost(tmp_path: Path) -> None:
    for _ in range(2):
        said = run("tickets.py", str(tmp_path / "tickets.db"))
        assert "mail to ada, attempt 2" in said and "3 of 3 sent" in said


def test_a_web_application_beside_a_watcher() -> None:
    import beside_flask

    sim = Simulation()
    watcher = sim.watcher()
    web = beside_flask.build(watcher).test_client()
    watcher.start()
    sim.run_until_idle()
    for order in ["tea", "tea", "tea", "coffee", "milk"]:
        assert web.post("/orders", data=order).status_code == 202
    sim.run_until_idle()
    assert web.get("/stock").json == {"stock": {"tea": 0, "coffee": 0}, "refused": 2}


def test_the_program_for_a_host_keeps_its_count(tmp_path: Path) -> None:
    program = "import main; from threading import Timer; main.watcher.start_api_server(); " + (
        "Timer(1.5, main.watcher.send_message, ['stop']).start(); main.watcher.run(); "
        "print([entry.text for entry in main.watcher.logs('context')])"
    )
    os.symlink(EXAMPLES / "program" / "main.py", tmp_path / "main.py")
    for least in (1, 2):
        said = run("-c", program, cwd=tmp_path)
        ticks = int(said.split("stop: ")[1].split(" ")[0])
        assert ticks >= least, said


def test_a_scripted_run_of_the_trading_bot() -> None:
    typed = "status\nprices\nportfolio\ntrades\nnonsense\nstop\n"
    said = run("-m", "trading", "--feed", "replay", typed=typed)
    for words in ["feed: ", "worth 10000.00", "cash", "nothing bought or sold"]:
        assert words in said, said
    assert "'nonsense' is not known" in said and "stopping" in said


def test_the_bot_trades_a_whole_market_without_waiting(hersh_sim: Simulation) -> None:
    from trading.market import Market
    from trading.strategy import CASH
    from trading.trader import build

    trades, news = hersh.Channel(), hersh.Channel()
    watcher = build(hersh_sim.watcher(), trades, news)
    watcher.start()
    market = iter(Market(7, ["BTCUSDT", "ETHUSDT"]))
    for _ in range(3000):
        hersh_sim.inject_flow(watcher, "trade", next(market))
    hersh_sim.run_until_idle()
    for command in ["status", "p", "t", "prices", "h"]:
        hersh_sim.send(watcher, command)
    hersh_sim.run_until_idle()
    values: dict[str, Any] = watcher.values
    sides = [order[2] for order in values["portfolio"]["orders"]]
    assert values["seen"] == 3000 and {"BUY", "SELL"} == set(sides)
    assert abs(values["portfolio"]["cash"] - CASH) < 1000 and watcher.stats["errors"] == 0


def test_a_lost_connection_is_made_again_and_nothing_is_missing() -> None:
    from itertools import islice

    from trading.feed import Feed
    from trading.market import Market
    from trading.replay import Replay

    market = Market(3, ["BTCUSDT"])
    seen: list[Any] = []
    done = threading.Event()
    with Replay(Market(3, ["BTCUSDT"]), pace=0, trades_each=50) as server:
        with Feed(f"{server.url}/stream?streams=btcusdt@trade", first_retry=0.001) as feed:
            watcher = hersh.Watcher()

            @watcher.manage
            def app(msg: Any, ctx: hersh.Context) -> None:
                trade = ctx.watch_flow("trade", feed.trades)
                if trade.triggered:
                    seen.append(trade.value)
                if len(seen) == 175:
                    done.set()
                    raise hersh.StopError

            with watcher:
                assert done.wait(LONG)
        with pytest.raises(OSError, match="404"):
            Feed(f"{server.url}/stream?streams=btcusdt@depth")
    assert seen == list(islice(market, 175))
