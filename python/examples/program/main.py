"""A program for ``hersh deploy``: counts its ticks, also over restarts, and answers messages."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Optional

import hersh

# The one writable place of a deployed program; here, when it is not deployed.
STATE = Path("/state") if Path("/state").is_dir() else Path(".")

watcher = hersh.Watcher(
    # Served at the address that the host expects, or on 127.0.0.1:8080.
    hersh.WatcherConfig(persist=STATE / "values.json", api=True),
    name="ticks",
)


@watcher.manage("count ticks")
def app(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
    if ctx.watch_tick("tick", every=1.0).triggered:
        ctx.update_value("ticks", lambda n: (n or 0) + 1)
    if msg is None:
        return
    ctx.log(f"{msg.content}: {ctx.get_value('ticks', 0)} ticks")
    if msg.content == "stop":
        raise hersh.StopError("the user asked")


if __name__ == "__main__":
    # What the watcher logs is what `hersh logs` shows.
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    watcher.run()
