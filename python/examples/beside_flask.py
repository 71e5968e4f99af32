"""A watcher beside a web application: Flask answers requests, the watcher keeps the state.

    pip install flask
    python beside_flask.py              then: curl -X POST localhost:5000/orders -d tea

Requests are handled on threads of the web server. They hand orders to the watcher, which serves them
one by one and in order, so the stock needs no lock. Run it with one worker process: a watcher does
not survive ``fork()`` (``gunicorn --workers 1 --threads 8``, without ``--preload``).
"""

from __future__ import annotations

from typing import Optional

import flask

import hersh


def build(watcher: hersh.Watcher) -> flask.Flask:
    """The web application, and what its watcher does."""

    @watcher.manage("keep the stock")
    def stock(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        if msg is None:
            ctx.set_value("stock", {"tea": 2, "coffee": 1})
            return
        left = ctx.get_value("stock")
        if left.get(msg.content, 0) == 0:
            ctx.update_value("refused", lambda n: (n or 0) + 1)
            return
        ctx.set_value("stock", {**left, msg.content: left[msg.content] - 1})

    app = flask.Flask(__name__)

    @app.post("/orders")
    def order() -> tuple[dict[str, str], int]:
        try:
            watcher.send_message(flask.request.get_data(as_text=True) or "nothing", timeout=1)
        except hersh.QueueFull:
            return {"error": "too many orders"}, 503
        return {"status": "accepted"}, 202

    @app.get("/stock")
    def show() -> dict[str, object]:
        return watcher.values

    return app


def main() -> None:
    watcher = hersh.Watcher(name="stock")
    app = build(watcher)
    with watcher:
        app.run(port=5000, threaded=True)


if __name__ == "__main__":
    main()
