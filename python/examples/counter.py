"""A watcher that counts: its ticks, and the messages it is sent. The message "stop" ends it.

    python counter.py            counts until Ctrl-C
    python counter.py hello      sends itself this message, and then "stop"

It serves the WatcherAPI and prints where, so it can be seen and steered with curl too.
"""

from __future__ import annotations

import sys
from typing import Optional

import hersh

watcher = hersh.Watcher(name="counter")


def add_one(before: Optional[int]) -> int:
    return (before or 0) + 1


@watcher.manage("count")
def count(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
    if ctx.watch_tick("tick", every=1.0).triggered:
        ctx.update_value("ticks", add_one)
    if msg is None:
        return
    messages = ctx.update_value("messages", add_one)
    print(f"message {messages}: {msg.content}", flush=True)
    if msg.content == "stop":
        raise hersh.StopError("the user asked")


@watcher.cleanup
def say_goodbye(ctx: hersh.Context) -> None:
    print("ticks:", ctx.get_value("ticks", 0), flush=True)


def main(messages: list[str]) -> None:
    print("see it at", watcher.start_api_server() + "/watcher/state", flush=True)
    if not messages:
        watcher.run()
        return
    with watcher:
        for message in [*messages, "stop"]:
            watcher.send_message(message)
        watcher.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
