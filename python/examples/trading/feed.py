"""The client: brings trades into a channel, and itself back after a loss.

It is an ordinary thread that knows nothing of watchers; the managed function watches its channels.
When nobody takes the trades, the channel fills, the thread waits, the socket fills, and the market's
server is what notices: nothing piles up here.
"""

from __future__ import annotations

import threading

import hersh

from .market import Trade
from .websocket import WebSocket, dial

GLANCE = 0.2
FIRST_RETRY, LAST_RETRY = 1.0, 30.0


class Feed:
    """A connection to a market that is kept up until it is closed. ``OSError`` if the first fails."""

    def __init__(self, url: str, first_retry: float = FIRST_RETRY) -> None:
        self.url, self.first_retry = url, first_retry
        self.trades = hersh.Channel(1024)
        self.news = hersh.Channel(16)
        self.ended = threading.Event()
        socket = dial(url)
        self.thread = threading.Thread(target=self.run, args=(socket,), name="feed", daemon=True)
        self.thread.start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(10)

    def run(self, socket: WebSocket) -> None:
        self.say("connected")
        while not self.ended.is_set():
            try:
                self.pump(socket)
            except (OSError, ValueError) as lost:
                self.say(f"lost: {lost}")
                socket.close()
                again = self.redial()
                if again is None:
                    return
                socket = again
                self.say("connected again")
        socket.close()

    def pump(self, socket: WebSocket) -> None:
        """Brings trades until it is told to end, or the connection is lost."""
        socket.stream.settimeout(GLANCE)
        while not self.ended.is_set():
            text = socket.receive()
            if text is not None:
                self.deliver(Trade.read(text))

    def deliver(self, trade: Trade) -> None:
        while not self.ended.is_set():
            try:
                return self.trades.send(trade, timeout=GLANCE)
            except hersh.QueueFull:
                pass

    def redial(self) -> WebSocket | None:
        wait = self.first_retry
        while not self.ended.wait(wait):
            try:
                return dial(self.url)
            except OSError as error:
                self.say(f"no connection: {error}")
            wait = min(wait * 2, LAST_RETRY)
        return None

    def say(self, words: str) -> None:
        """News are for a watcher that takes them at once; when there is none, they are lost."""
        try:
            self.news.send(words, timeout=0)
        except hersh.QueueFull:
            pass
