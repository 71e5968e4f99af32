"""Watches a price over HTTP, from a server that the example starts itself.

    python price_watch.py               until Ctrl-C
    python price_watch.py 5             until the price has moved five times

Only a price that differs causes an execution; a server that fails for a while is news in the log,
and the last price stays.
"""

from __future__ import annotations

import http.server
import itertools
import json
import math
import sys
import threading
import urllib.request
from typing import Optional

import hersh


class Market(http.server.BaseHTTPRequestHandler):
    """Answers with a price that rises and falls, and fails at every seventh request."""

    requests = itertools.count(1)

    def do_GET(self) -> None:
        n = next(self.requests)
        if n % 7 == 0:
            self.send_error(503, "the market is closed for a moment")
            return
        body = json.dumps({"price": round(100 + 5 * math.sin(n / 3), 1)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve() -> str:
    """Starts the market on a thread of its own, and says where."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Market)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/price"


def build(url: str, moves: Optional[int], watcher: hersh.Watcher) -> hersh.Watcher:
    """A watcher of the price at an address; ``None`` for endless moves."""

    def fetch() -> float:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return float(json.load(answer)["price"])

    @watcher.manage("watch the price")
    def app(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        price = ctx.watch_call("price", fetch, every=0.1)
        if not price.triggered:
            return
        before = ctx.get_value("price", "nothing")
        ctx.set_value("price", price.value)
        seen = ctx.update_value("moves", lambda n: (n or 0) + 1)
        print(f"{before} -> {price.value}", flush=True)
        if moves is not None and seen >= moves:
            raise hersh.StopError("enough seen")

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        print("moves:", ctx.get_value("moves", 0), flush=True)

    return watcher


def main(arguments: list[str]) -> None:
    moves = int(arguments[0]) if arguments else None
    build(serve(), moves, hersh.Watcher(name="price")).run()


if __name__ == "__main__":
    main(sys.argv[1:])
