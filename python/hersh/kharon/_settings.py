"""How a Kharon works. Durations are seconds, or a ``timedelta``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .._config import Seconds, _Settings


class Settings(_Settings):
    """The settings of a Kharon. Nonsense is refused by ``Kharon(...)``, which names the field.

    ``workers`` threads run handlers; each may have a ticket for ``process_time``, then others may
    claim it. A failed attempt *n* (from 1) waits ``backoff_base ** n`` seconds, at most
    ``max_backoff``, less up to ``jitter`` (0 to 1) of that; after ``max_attempts`` it fails for good
    (``None``: never). ``keep_done`` removes done tickets so long after (``None``: never).

    >>> Settings(workers=8, max_attempts=5).workers
    8
    """

    def __init__(
        self,
        *,
        workers: int = 4,
        batch_size: int = 10,
        process_time: Seconds = 30.0,
        max_poll_interval: Seconds = 15.0,
        min_poll_interval: Seconds = 0.01,
        expiration: bool = True,
        backoff_base: float = 1.5,
        max_backoff: Seconds = 15.0,
        jitter: float = 0.2,
        max_attempts: Optional[int] = None,
        keep_done: Optional[Seconds] = None,
        tubes: Sequence[str] = ("default",),
    ) -> None:
        self.workers = workers
        self.batch_size = batch_size
        self.process_time = process_time
        self.max_poll_interval = max_poll_interval
        self.min_poll_interval = min_poll_interval
        self.expiration = expiration
        self.backoff_base = backoff_base
        self.max_backoff = max_backoff
        self.jitter = jitter
        self.max_attempts = max_attempts
        self.keep_done = keep_done
        self.tubes = list(tubes)
