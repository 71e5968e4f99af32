"""The states of a watcher."""

from __future__ import annotations

import enum


class State(str, enum.Enum):
    """Where a watcher is in its life. Equal to its name: ``State.READY == "Ready"``."""

    NOT_RUN = "NotRun"
    INIT_RUN = "InitRun"
    READY = "Ready"
    RUNNING = "Running"
    STOPPED = "Stopped"
    KILLED = "Killed"
    CRASHED = "Crashed"
    WAIT_RECOVER = "WaitRecover"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def is_terminal(self) -> bool:
        """The session is over: nothing runs, and nothing will unless it is started again."""
        return self in (State.STOPPED, State.KILLED, State.CRASHED)
