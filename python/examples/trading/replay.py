"""A server that speaks the protocol of the market's stream, with trades that are made up."""

from __future__ import annotations

import socket
import threading
from typing import Optional

from .market import Market, Trade
from .websocket import PATIENCE, WebSocket, accept_key, headers, read_head


class Replay:
    """On loopback, for one client at a time, until it is closed.

    ``pace`` is the time between two trades; after ``trades_each`` it closes the connection, as the
    real one does after a day, and goes on with the next client.
    """

    def __init__(self, market: Market, pace: float = 0.01, trades_each: Optional[int] = None) -> None:
        self.trades = iter(market)
        self.pace, self.trades_each = pace, trades_each
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, name="replay", daemon=True)
        self.thread.start()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(10)
        self.listener.close()

    def serve(self) -> None:
        while not self.ended.is_set():
            try:
                stream, _ = self.listener.accept()
            except socket.timeout:
                continue
            try:
                with stream:
                    stream.settimeout(PATIENCE)
                    self.talk(stream)
            except (OSError, ValueError):
                pass  # However it ends, the next client is welcome.

    def talk(self, stream: socket.socket) -> None:
        lines, rest = read_head(stream)
        wanted = streams(lines[0])
        if not wanted:
            stream.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        accept = accept_key(headers(lines)["sec-websocket-key"])
        stream.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        client, sent = WebSocket(stream, is_client=False, rest=rest), 0
        while self.trades_each is None or sent < self.trades_each:
            if self.ended.wait(self.pace):
                break
            trade: Trade = next(self.trades)
            if trade.symbol in wanted:
                client.send(0x1, trade.write().encode())
                sent += 1
        client.close()


def streams(request: str) -> list[str]:
    """The symbols that an address of combined trade streams names; none for any other."""
    target = request.split()[1]
    path, _, query = target.partition("?streams=")
    named = query.split("/") if path == "/stream" and query else []
    if not all(name.endswith("@trade") for name in named):
        return []
    return [name[: -len("@trade")].upper() for name in named]
