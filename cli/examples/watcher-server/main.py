"""A server with state: it counts ticks, one each second and one for each message ``tick``, and keeps
the count in a file.

    curl -d '{"content":"tick"}' -H 'Content-Type: application/json' http://127.0.0.1:8080/watcher/message
    curl http://127.0.0.1:8080/watcher/varState

``reset`` begins again at nothing, ``stop`` ends it. The count is in ``counter.txt`` in the folder that
HERSH_STATE_DIR names, and is there again after a restart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import hersh


class Counter:
    """A number in a file, which is whole whenever the machine stops."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "counter.txt"
        self.ticks = int(self._file.read_text()) if self._file.exists() else 0

    def set(self, ticks: int) -> int:
        fresh = self._file.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(f"{ticks}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)
        self.ticks = ticks
        return ticks


def install(watcher: hersh.Watcher, counter: Counter) -> None:
    """Gives the watcher what it is to do; a test gives it one that lives in a simulation."""

    @watcher.manage("count")
    def app(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        ctx.set_value("COUNTER", counter.ticks)
        if ctx.watch_tick("second", every=1.0).triggered:
            tick(ctx, "the clock")
        if msg is None:
            return
        if msg.content == "tick":
            tick(ctx, "a message")
        elif msg.content == "reset":
            ctx.set_value("COUNTER", counter.set(0))
            print("counter: 0 (reset)", flush=True)
        elif msg.content == "stop":
            raise hersh.StopError("the user asked")
        else:
            print(f"{msg.content!r} is not known; there are tick, reset and stop", flush=True)

    def tick(ctx: hersh.Context, source: str) -> None:
        ctx.set_value("COUNTER", counter.set(counter.ticks + 1))
        print(f"counter: {counter.ticks} ({source})", flush=True)

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        print(f"ended at {counter.ticks}", flush=True)


def main() -> None:
    counter = Counter(Path(os.environ.get("HERSH_STATE_DIR", ".")))
    watcher = hersh.Watcher(name="watcher-server")
    install(watcher, counter)
    # `hersh dev` says where the WatcherAPI is to listen; a container is reached from outside.
    usual = "0.0.0.0:8080" if "HERSH_PROGRAM_ID" in os.environ else "127.0.0.1:8080"
    host, _, port = os.environ.get("HERSH_API_ADDR", usual).rpartition(":")
    print("its API:", watcher.start_api_server(port=int(port), host=host), flush=True)
    watcher.run()  # until Ctrl-C, SIGTERM, or the function says so


if __name__ == "__main__":
    main()
