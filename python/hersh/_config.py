"""How a watcher behaves. Durations are seconds, or a ``timedelta``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, Optional, Union

Seconds = Union[float, timedelta]
Path = Union[str, "os.PathLike[str]"]


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

    >>> RecoveryPolicy(max_retries=5, retry_delay=0.5) == RecoveryPolicy()
    False
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


class Persist(_Settings):
    """Where context values are kept, so that they survive the process.

    The folder of ``path`` must exist, and one watcher at a time may use the file. It is written
    ``"each_execution"`` that changed a value (then ``kill -9`` loses nothing that a completed
    execution set; two flushes of the disk each time), or ``"at_stop"``.

    What is written is JSON: ``None``, numbers, texts, lists and dicts; tuples come back as lists. A
    value that is anything else, or has anything else in it, stays in memory and is left out of the
    file; the watcher's context log names it.
    """

    def __init__(
        self, path: Path, *, when: Literal["each_execution", "at_stop"] = "each_execution"
    ) -> None:
        self.path = path
        self.when = when


class Journal(_Settings):
    """Where every input is recorded with its time, for ``hersh.replay``.

    The folder of ``path`` must exist. At ``max_bytes`` a new file is begun and the old one is kept as
    ``path.1``; at most ``keep`` of these. A journal that cannot be written (a full disk) is ended,
    the watcher goes on, and its context log says so.
    """

    def __init__(self, path: Path, *, max_bytes: int = 64 << 20, keep: int = 8) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep = keep


class ApiConfig(_Settings):
    """How the WatcherAPI is served.

    ``host`` and ``port`` default to ``127.0.0.1`` and 8080, and inside a container of hersh to
    ``0.0.0.0`` and 8080; port 0 picks a free one. ``allowed_hosts`` are names, besides addresses and
    ``localhost``, by which clients may call the server. ``token`` is what requests must carry as
    ``Authorization: Bearer …``, all but those to ``/healthz`` and ``/readyz``. ``show_secrets`` shows
    the environment values whose names look like secrets, which are ``***`` otherwise.
    """

    def __init__(
        self,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        allowed_hosts: Sequence[str] = (),
        show_secrets: bool = False,
        token: Optional[str] = None,
    ) -> None:
        self.host = host
        self.port = port
        self.allowed_hosts = list(allowed_hosts)
        self.show_secrets = show_secrets
        self.token = token

    def __repr__(self) -> str:
        token = None if self.token is None else "***"
        return (
            f"ApiConfig(host={self.host!r}, port={self.port!r}, "
            f"allowed_hosts={self.allowed_hosts!r}, show_secrets={self.show_secrets!r}, "
            f"token={token!r})"
        )


class WatcherConfig(_Settings):
    """The settings of a watcher. Nonsense is refused by ``Watcher(...)``, which names the field.

    ``default_timeout`` bounds an execution before its context says cancelled; ``stop_timeout`` is
    how long ``stop()`` waits for it; ``signal_capacity`` is how many messages may wait. ``persist``
    and ``journal`` are off, or a path, or a ``Persist`` and a ``Journal``. ``api`` is off, or
    ``True``, or an ``ApiConfig``: then the WatcherAPI is served from the first start on.

    >>> WatcherConfig(default_timeout=0.5).default_timeout
    0.5
    >>> import hersh
    >>> hersh.Watcher(WatcherConfig(signal_capacity=0))
    Traceback (most recent call last):
    ...
    hersh._errors.ConfigError: signal_capacity must be from 1 to 16,777,216
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
        persist: Union[Path, Persist, None] = None,
        journal: Union[Path, Journal, None] = None,
        api: Union[bool, ApiConfig, None] = None,
    ) -> None:
        self.default_timeout = default_timeout
        self.stop_timeout = stop_timeout
        self.signal_capacity = signal_capacity
        self.max_log_entries = max_log_entries
        self.max_memo_entries = max_memo_entries
        self.max_watches = max_watches
        self.recovery = recovery if recovery is not None else RecoveryPolicy()
        self.persist = persist
        self.journal = journal
        self.api = api
