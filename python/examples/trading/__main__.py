"""A trading bot that trades with play money on a real market, or on a made-up one.

    python -m trading                                live, else replayed (from python/examples)
    python -m trading --feed replay --seconds 15
    python -m trading --feed wss://HOST/stream?streams=btcusdt@trade

It listens to the trades of two markets over one WebSocket. When the short average of a market's price
crosses above the long one, it buys; when it crosses below, it sells. Type ``status``, ``portfolio``,
``trades``, ``prices``, ``help`` or ``stop``, or send that over HTTP to the address that it prints. No
order is ever placed, and replayed prices are made up from a seed.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from contextlib import ExitStack

import hersh

from .feed import Feed
from .market import Market
from .replay import Replay
from .trader import build

LIVE = "wss://stream.binance.com:9443"
SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def address(base: str) -> str:
    streams = "/".join(f"{symbol.lower()}@trade" for symbol in SYMBOLS)
    return f"{base}/stream?streams={streams}"


def connect(source: str, until_the_end: ExitStack) -> Feed:
    if source.startswith(("ws://", "wss://")):
        return until_the_end.enter_context(Feed(source))
    if source in ("live", "auto"):
        try:
            return until_the_end.enter_context(Feed(address(LIVE)))
        except OSError as error:
            if source == "live":
                raise
            print("no live market here:", error, flush=True)
    server = until_the_end.enter_context(Replay(Market(7, SYMBOLS)))
    print("replaying a made-up market at", server.url, flush=True)
    return until_the_end.enter_context(Feed(address(server.url)))


def type_commands(watcher: hersh.Watcher) -> None:
    """Sends what is typed, once it runs; the end of the input ends nothing."""
    while not watcher.is_running:
        time.sleep(0.02)
    for line in sys.stdin:
        try:
            watcher.send_message(line)
        except hersh.NotRunning:
            return


def main() -> None:
    parser = argparse.ArgumentParser(prog="trading", description=__doc__)
    parser.add_argument("--feed", default="auto", help="live, replay, or an address: ws://…")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    arguments = parser.parse_args()
    with ExitStack() as until_the_end:
        feed = connect(arguments.feed, until_the_end)
        lifetime = hersh.CancelToken(arguments.seconds)
        watcher = build(hersh.Watcher(name="trader", parent=lifetime), feed.trades, feed.news)
        print("see it at", watcher.start_api_server() + "/watcher/state", flush=True)
        threading.Thread(target=type_commands, args=(watcher,), daemon=True).start()
        watcher.run()


if __name__ == "__main__":
    main()
