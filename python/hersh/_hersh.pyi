"""The native half of hersh: threads, locks and waits are in here.

Every call that waits lets other Python threads run. On the main thread it minds Ctrl-C, within a
tenth of a second. All objects may be used from any thread.
"""

from types import TracebackType
from typing import Any, Callable, Iterable, Mapping, Optional, TypeVar, Union, final, overload

from ._config import Seconds, WatcherConfig
from ._state import State
from ._stats import LogType, Stats

__all__ = [
    "CancelToken",
    "Channel",
    "Context",
    "LogEntry",
    "Message",
    "StopReport",
    "Tick",
    "Watched",
    "Watcher",
    "__version__",
]

__version__: str

_T = TypeVar("_T")
_Managed = TypeVar("_Managed", bound=Callable[[Optional[Message], Context], object])
_Cleanup = TypeVar("_Cleanup", bound=Callable[[Context], object])

@final
class Message:
    """A message, as the managed function gets it."""

    @property
    def id(self) -> int:
        """Counts from 1 in the order in which the watcher accepted messages."""
    @property
    def content(self) -> str: ...

@final
class Watched:
    """A watched variable, as one execution sees it."""

    @property
    def value(self) -> Any:
        """The current value; ``None`` until the first has come."""
    @property
    def error(self) -> Optional[str]:
        """What the last poll raised, with its traceback; the value is then the last good one."""
    @property
    def updated(self) -> bool:
        """Whether a value has ever come."""
    @property
    def triggered(self) -> bool:
        """Whether a change of this variable triggered this execution."""

@final
class Tick:
    """The value of a timer."""

    @property
    def count(self) -> int:
        """Periods since the timer was set, skipped ones included: 1 for the first tick."""
    @property
    def time(self) -> float:
        """The moment for which the tick was set, in seconds since the Unix epoch."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class LogEntry:
    """One line of a log."""

    @property
    def id(self) -> int:
        """Counts from 1 within its log, across sessions."""
    @property
    def type(self) -> str: ...
    @property
    def time(self) -> float:
        """Seconds since the Unix epoch, on the watcher's clock."""
    @property
    def text(self) -> str: ...

@final
class StopReport:
    """The end of a session."""

    @property
    def state(self) -> State: ...
    @property
    def unserved(self) -> list[Message]:
        """Messages that were accepted and not served, oldest first."""

@final
class CancelToken:
    """Stops every watcher that has it as its parent, when it is cancelled or its time is over."""

    def __new__(cls, timeout: Optional[Seconds] = None) -> CancelToken: ...
    def cancel(self) -> None:
        """Asks the watchers to stop in good order. Does not wait for them."""
    @property
    def cancelled(self) -> bool: ...

@final
class Channel:
    """A channel of objects into a watcher, which holds up to ``capacity`` of them.

    ``ctx.watch_flow(name, channel)`` watches it: every value causes its own execution, in order.
    """

    def __new__(cls, capacity: int = 1024) -> Channel: ...
    def send(self, value: object, timeout: Optional[Seconds] = None) -> None:
        """Waits for room, at most for ``timeout``: then ``QueueFull``; ``ChannelClosed``."""
    def close(self) -> None:
        """Nothing more can be sent; what was sent before is still delivered."""
    @property
    def capacity(self) -> int: ...
    def __len__(self) -> int: ...

@final
class Context:
    """One execution, seen from inside. May be used from other threads while it lasts."""

    @property
    def message(self) -> Optional[Message]: ...
    @property
    def trigger(self) -> Union[str, list[str]]:
        """``"Init"``, ``"Message"``, ``"Cleanup"``, or the names of the variables that changed."""
    @property
    def attempt(self) -> int:
        """Counts from 1; above 1 this is a retry after a crash. 0 in the cleanup."""
    @property
    def execution(self) -> int:
        """The number of this execution in its session, from 1, retries counted too."""
    @property
    def watcher_id(self) -> str: ...
    @property
    def deadline(self) -> float:
        """When this execution will count as timed out, in seconds since the Unix epoch."""
    @property
    def cancelled(self) -> bool:
        """The function should return soon: it is late, or the watcher is being ended."""
    def now(self) -> float:
        """The time on the watcher's clock, in seconds since the Unix epoch."""
    def sleep(self, seconds: Seconds) -> bool:
        """Waits, or until this execution is cancelled; whether the whole time has passed."""
    def log(self, text: str) -> None:
        """Writes a line to the watcher's context log."""
    @overload
    def get_env(self, key: str) -> Optional[str]: ...
    @overload
    def get_env(self, key: str, default: str) -> str: ...
    @overload
    def get_env(self, key: str, default: Optional[str]) -> Optional[str]: ...
    def watch_call(self, name: str, poll: Callable[..., object], *, every: Seconds) -> Watched:
        """Watches what ``poll()`` returns, or ``poll(previous)`` if it has a parameter.

        It is called on a thread of the watcher's pool: at once, and then each ``every`` seconds,
        never twice at once. An execution follows when the value differs (``!=``) from the last;
        values that cannot be compared count as different. What it raises is logged; the last value
        stays. The first call for a name registers it, later calls read. Never waits.
        """
    def watch_flow(
        self, name: str, source: Union[Channel, Iterable[object], Any], *, latest: bool = False
    ) -> Watched:
        """Watches a ``Channel``, a ``queue.Queue`` (anything with ``get(timeout=)``) or an iterable.

        Every value causes its own execution, in order, and what waits stays in the channel. With
        ``latest`` only the newest counts. Queues and iterables are read by a thread of their own,
        which is up to two values ahead; these are lost when the watcher ends.
        """
    def watch_tick(self, name: str, every: Seconds) -> Watched:
        """Watches a timer: an execution follows each tick, the first after one period."""
    def unwatch(self, name: str) -> bool:
        """Watches a variable no longer; whether it was watched."""
    def memo(self, name: str, compute: Callable[[], _T]) -> _T:
        """A value computed once per session, also when two threads ask at once."""
    def clear_memo(self, name: str) -> bool:
        """Forgets a memo; whether there was one."""
    def get_value(self, key: str, default: Any = None) -> Any:
        """A context value; ``default`` if it was never set in this session."""
    def set_value(self, key: str, value: object) -> None: ...
    def update_value(self, key: str, update: Callable[[Any], _T]) -> _T:
        """Replaces a value by what ``update`` makes of a deep copy of it (``None`` if unset).

        Atomic; for that ``update`` may be called again when another thread was faster. When it
        raises, the value stays what it was.
        """

@final
class Watcher:
    """One managed function, run again whenever something asks for it; never twice at once.

    When the last reference is gone, the watcher is killed. It does not survive ``fork()``.
    """

    def __new__(
        cls,
        config: Optional[WatcherConfig] = None,
        *,
        env: Optional[Mapping[str, str]] = None,
        name: Optional[str] = None,
        parent: Optional[CancelToken] = None,
    ) -> Watcher: ...
    @overload
    def manage(self, function: str, /) -> Callable[[_Managed], _Managed]: ...
    @overload
    def manage(self, function: _Managed, /) -> _Managed: ...
    def cleanup(self, function: _Cleanup, /) -> _Cleanup:
        """Sets the function that runs when a session ends in good order or by its last crash."""
    def start(self) -> None:
        """Begins a session. Does not wait for the first execution. ``StateError``."""
    def stop(self, timeout: Optional[Seconds] = None, drain: bool = False) -> StopReport:
        """Stops in good order and waits; with ``drain`` the messages that wait are served first.

        ``StopTimeout`` when the function did not return in time; the watcher is then killed.
        """
    def kill(self) -> None:
        """Ends the watcher at once, without cleanup. Never waits."""
    def send_message(self, content: str, timeout: Optional[Seconds] = None) -> None:
        """Sends a message. ``QueueFull`` comes at once, or after ``timeout``; ``NotRunning``."""
    def wait(self, timeout: Optional[Seconds] = None, until: Optional[Union[State, str]] = None) -> bool:
        """Waits for the end of the session, or for the state ``until``; whether it came."""
    def run(self) -> StopReport:
        """Starts, and waits for the end.

        On the main thread SIGINT and SIGTERM stop the watcher in good order, and a second one
        kills it.
        """
    def start_api_server(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Serves the WatcherAPI and returns its URL; port 0 picks a free one. ``ApiError``."""
    @property
    def api_url(self) -> Optional[str]:
        """Where the WatcherAPI is served, like ``http://127.0.0.1:8080``."""
    @property
    def state(self) -> State: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def is_running(self) -> bool: ...
    @property
    def values(self) -> dict[str, Any]:
        """The context values of the session."""
    @property
    def stats(self) -> Stats: ...
    def logs(self, type: LogType = "all", limit: int = 100) -> list[LogEntry]:
        """The newest ``limit`` entries of a log, oldest first."""
    def __enter__(self) -> Watcher:
        """Starts."""
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        """Stops, serving what is under way but not what waits."""
