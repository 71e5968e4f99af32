"""What can go wrong, and what a managed function raises to steer its watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._hersh import StopReport


class Error(Exception):
    """Above everything that hersh raises."""


class ControlError(Error):
    """Raised in a managed function to steer its watcher."""


class StopError(ControlError):
    """End in good order: the cleanup runs, the state becomes ``State.STOPPED``."""


class KillError(ControlError):
    """End at once: no cleanup, the state becomes ``State.KILLED``."""


class CrashError(ControlError):
    """Crash: run again after a delay if retries are left, else ``State.CRASHED``."""


class ConfigError(Error, ValueError):
    """A field of the configuration makes no sense; the words name it."""


class StateError(Error):
    """The watcher's state does not allow it, or the place from which it was asked."""


class QueueFull(Error):
    """As many messages wait as the configuration allows."""


class NotRunning(StateError):
    """No session is under way, or no execution."""


class LimitError(Error):
    """One more than the configuration allows."""


class WatchError(Error):
    """The name of a watched variable, a memo or a value stands for something else."""


class StopTimeout(Error, TimeoutError):
    """The managed function or the cleanup did not return in time; the watcher was killed.

    ``report`` is what was left.
    """

    report: StopReport | None = None


class ApiError(Error, OSError):
    """The WatcherAPI cannot be served there."""


class PersistError(Error):
    """The persisted values cannot be read or written; the file is left as it is."""


class JournalError(Error):
    """The journal cannot be begun, or not be replayed; the file is left as it is."""


class ChannelClosed(Error):
    """Nothing more can be sent."""


class ForkError(Error, RuntimeError):
    """The object was made in another process and did not survive ``fork()``."""
