"""{{name}}: counts the seconds it has lived, and answers what it is asked.

Messages: ``status``, ``add N``, ``stop``. The count is kept in the folder that HERSH_STATE_DIR names,
and is there again after a restart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import hersh


class Count:
    """The count, in a file that is whole whenever the machine stops."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "seconds"
        self.seconds = int(self._file.read_text()) if self._file.exists() else 0

    def add(self, number: int) -> int:
        self.seconds += number
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.seconds}\n")
        fresh.replace(self._file)
        return self.seconds


def install(watcher: hersh.Watcher, count: Count) -> None:
    """Gives the watcher what it is to do. A test gives it one that lives in a simulation."""

    @watcher.manage("count")
    def app(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        """Runs once at the start, then again for each message and each second; never twice at once."""
        if ctx.watch_tick("second", every=1.0).triggered:
            ctx.set_value("seconds", count.add(1))
        if msg is not None:
            answer = serve(msg.content, count)
            # In the log of the program (`hersh logs`), and as a value (`hersh watch`).
            print(answer, flush=True)
            ctx.set_value("answer", answer)
            ctx.set_value("seconds", count.seconds)

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        print("good-bye", flush=True)


def serve(message: str, count: Count) -> str:
    words = message.split()
    if words == ["status"]:
        return f"{count.seconds} seconds"
    if len(words) == 2 and words[0] == "add" and words[1].isdigit():
        return f"added {words[1]}: {count.add(int(words[1]))} seconds"
    if words == ["stop"]:
        raise hersh.StopError("the user asked")
    return "say status, add N or stop"


def main() -> None:
    count = Count(Path(os.environ.get("HERSH_STATE_DIR", ".")))
    watcher = hersh.Watcher(name="{{name}}")
    install(watcher, count)
    # `hersh dev` says where the WatcherAPI is to listen; a container is reached from outside.
    usual = "0.0.0.0:8080" if "HERSH_PROGRAM_ID" in os.environ else "127.0.0.1:8080"
    host, _, port = os.environ.get("HERSH_API_ADDR", usual).rpartition(":")
    watcher.start_api_server(port=int(port), host=host)
    watcher.run()  # until Ctrl-C, SIGTERM, or the function says so


if __name__ == "__main__":
    main()
