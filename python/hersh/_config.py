"""How a watcher behaves. Durations are seconds, or a ``timedelta``."""

from __future__ import annotations

from datetime import timedelta
from typing import Optional, Union

Seconds = Union[float, timedelta]


class _Settings:
    """Settings that are named, compare by value, and show themselves."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class RecoveryPolicy(_Settings):
    """How a watcher recovers from crashes of its managed function.

    The delay before retry *n* (from 1) is ``retry_delay * backoff_factor ** (n - 1)``, at most
    ``max_delay``, moved up or down by up to ``jitter`` (0 to 1) of itself. ``max_retries=0`` turns
    recovery off.
    """

    def __init__(
        self,
        *,
        max_retries: int = 3,
        retry_delay: Seconds = 1.0,
        backoff_factor: float = 2.0,
        max_delay: Seconds = 60.0,
        jitter: float = 0.0,
    ) -> None:
        self.max_retries = max_retries
        self.retry_delay = retry_delay
        self.backoff_factor = backoff_factor
        self.max_delay = max_delay
        self.jitter = jitter


class WatcherConfig(_Settings):
    """The settings of a watcher. Nonsense is refused by ``Watcher(...)``, which names the field.

    ``default_timeout`` bounds an execution before its context says cancelled; ``stop_timeout`` is
    how long ``stop()`` waits for it; ``signal_capacity`` is how many messages may wait.
    """

    def __init__(
        self,
        *,
        default_timeout: Seconds = 5.0,
        stop_timeout: Seconds = 10.0,
        signal_capacity: int = 1024,
        max_log_entries: int = 1000,
        max_memo_entries: int = 100,
        max_watches: int = 1000,
        recovery: Optional[RecoveryPolicy] = None,
    ) -> None:
        self.default_timeout = default_timeout
        self.stop_timeout = stop_timeout
        self.signal_capacity = signal_capacity
        self.max_log_entries = max_log_entries
        self.max_memo_entries = max_memo_entries
        self.max_watches = max_watches
        self.recovery = recovery if recovery is not None else RecoveryPolicy()
