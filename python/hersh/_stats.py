"""What a watcher counts."""

from __future__ import annotations

from typing import Literal, Optional, TypedDict

#: The logs of a watcher.
LogType = Literal[
    "all", "reduce", "effect", "effect_result", "watch_error", "context", "state_fault"
]


class Stats(TypedDict):
    """A watcher at one moment. Counts are of this session; times are in seconds."""

    state: str
    started: Optional[float]
    uptime: float
    executions: int
    errors: int
    crashes: int
    retries: int
    timeouts: int
    skipped_ticks: int
    watch_errors: int
    state_faults: int
    last_error: Optional[str]
    queued_messages: int
    pending_variables: int
