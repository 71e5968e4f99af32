"""The native half of hersh: threads, locks and waits are in here.

**Threads.** All objects may be used from any thread. Every call that waits lets other Python threads
run; on the main thread it minds Ctrl-C, within a tenth of a second.

**Units.** Durations are seconds, as a number or a ``timedelta``; moments are seconds since the Unix
epoch, as ``time.time()`` gives them.
"""

from types import TracebackType
from typing import Any, Callable, Mapping, Optional, TypeVar, Union, final, overload

from ._config import Seconds, WatcherConfig
from ._native_kharon import (
    Claim as Claim,
    Kharon as Kharon,
    KharonReport as KharonReport,
    MemoryStore as MemoryStore,
    SqliteStore as SqliteStore,
    Stepper as Stepper,
    Ticket as Ticket,
    VirtualClock as VirtualClock,
    open_postgres as open_postgres,
    random_id as random_id,
)
from ._native_stores import (
    Addition as Addition,
    Bell as Bell,
    Bells as Bells,
    Change as Change,
    Expired as Expired,
    Filter as Filter,
    Group as Group,
    Listing as Listing,
    Poll as Poll,
    Polled as Polled,
    StoreStats as StoreStats,
    Update as Update,
    admit as admit,
    apply as apply,
    claim as claim,
    close_group as close_group,
    conformance as conformance,
    count as count,
    free_finalizer as free_finalizer,
    holds as holds,
    join_group as join_group,
    ready_at as ready_at,
)
from ._native_testing import (
    Divergence as Divergence,
    Replayed as Replayed,
    Simulation as Simulation,
    Trace as Trace,
    TraceEntry as TraceEntry,
    replay as replay,
)
from ._state import State
from ._stats import LogType, Stats

__all__ = [
    "Addition",
    "Bell",
    "Bells",
    "CancelToken",
    "Change",
    "Channel",
    "Claim",
    "Context",
    "Divergence",
    "Expired",
    "Filter",
    "Group",
    "Kharon",
    "KharonReport",
    "Listing",
    "LogEntry",
    "MemoryStore",
    "Message",
    "Poll",
    "Polled",
    "Replayed",
    "Simulation",
    "SqliteStore",
    "Stepper",
    "StopReport",
    "StoreStats",
    "Tick",
    "Ticket",
    "Trace",
    "TraceEntry",
    "Update",
    "VirtualClock",
    "Watched",
    "Watcher",
    "__version__",
    "admit",
    "apply",
    "claim",
    "close_group",
    "conformance",
    "count",
    "features",
    "free_finalizer",
    "holds",
    "join_group",
    "open_postgres",
    "random_id",
    "ready_at",
    "replay",
]

__version__: str
features: list[str]

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
    def content(self) -> str:
        """What was sent."""

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
        """The moment for which the tick was set."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class LogEntry:
    """One line of a log."""

    @property
    def id(self) -> int:
        """Counts from 1 within its log, across sessions."""
    @property
    def type(self) -> str:
        """Which log it is of: one of ``LogType``."""
    @property
    def time(self) -> float:
        """When, on the watcher's clock."""
    @property
    def text(self) -> str:
        """What it says; with the traceback where an exception is told of."""

@final
class StopReport:
    """The end of a session."""

    @property
    def state(self) -> State:
        """The state in which it ended."""
    @property
    def unserved(self) -> list[Message]:
        """Messages that were accepted and not served, oldest first."""

@final
class CancelToken:
    """Stops every watcher that has it as its parent, when it is cancelled or its time is over.

    >>> import hersh
    >>> token = hersh.CancelToken(timeout=60)
    >>> token.cancelled
    False
    """

    def __new__(cls, timeout: Optional[Seconds] = None) -> CancelToken: ...
    def cancel(self) -> None:
        """Asks the watchers to stop in good order. Does not wait for them."""
    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, or its time is over."""

@final
class Channel:
    """A channel of objects into a watcher, which holds up to ``capacity`` of them.

    ``ctx.watch_flow(name, channel)`` watches it: every value causes its own execution, in order.

    >>> import hersh
    >>> channel = hersh.Channel(capacity=2)
    >>> channel.send("a")
    >>> len(channel)
    1

    Raises ``ValueError`` for a capacity that is not from 1 to 16,777,216.
    """

    def __new__(cls, capacity: int = 1024) -> Channel: ...
    def send(self, value: object, timeout: Optional[Seconds] = None) -> None:
        """Waits for room; at most for ``timeout``, and then raises ``QueueFull``.

        Raises ``ChannelClosed`` when it is closed.
        """
    def close(self) -> None:
        """Nothing more can be sent; what was sent before is still delivered."""
    @property
    def capacity(self) -> int:
        """The most that it holds."""
    def __len__(self) -> int:
        """How many values wait."""

@final
class Context:
    """One execution, seen from inside. May be used from other threads while it lasts.

    After its execution it still answers what it was; what it would change is then none of that
    execution's business: ``NotRunning`` where a session has ended.
    """

    @property
    def message(self) -> Optional[Message]:
        """The message that triggered this execution, if it was one."""
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
    def watcher_id(self) -> str:
        """The id of the watcher."""
    @property
    def deadline(self) -> float:
        """When this execution will count as timed out."""
    @property
    def cancelled(self) -> bool:
        """The function should return soon: it is late, or the watcher is being ended."""
    def now(self) -> float:
        """The time on the watcher's clock, which a simulation can move."""
    def sleep(self, seconds: Seconds) -> bool:
        """Waits, or until this execution is cancelled; whether the whole time has passed."""
    def log(self, text: str) -> None:
        """Writes a line to the watcher's context log, and to ``logging`` ("hersh", INFO)."""
    @overload
    def get_env(self, key: str) -> Optional[str]: ...
    @overload
    def get_env(self, key: str, default: str) -> str: ...
    @overload
    def get_env(self, key: str, default: Optional[str]) -> Optional[str]:
        """An environment value of the watcher, set when it was made."""
    def watch_call(self, name: str, poll: Callable[..., object], *, every: Seconds) -> Watched:
        """Watches what ``poll()`` returns, or ``poll(previous)`` if it has a parameter.

        It is called on a thread of the watcher's pool: at once, and then each ``every`` seconds,
        never twice at once. An execution follows when the value differs (``!=``) from the last;
        values that cannot be compared count as different. What it raises is logged; the last value
        stays. The first call for a name registers it, later calls read it. Never blocks.

        Raises ``WatchError`` when the name stands for something else, ``LimitError`` for one more
        than ``max_watches``, ``ValueError`` for a period of zero, ``NotRunning`` after the end.
        """
    def watch_flow(self, name: str, source: object, *, latest: bool = False) -> Watched:
        """Watches a ``Channel``, a ``queue.Queue`` (anything with ``get(timeout=)``) or an iterable.

        Every value causes its own execution, in order, and what waits stays in the source: one
        value at most is on its way from a queue or an iterable, and the next session that watches
        the same source under this name begins with it. With ``latest`` only the newest counts.
        Queues and iterables are read by a thread of their own. What a source raises ends the flow,
        and is logged. Raises as ``watch_call``.
        """
    def watch_tick(self, name: str, every: Seconds) -> Watched:
        """Watches a timer: an execution follows each tick, the first after one period.

        Raises as ``watch_call``.
        """
    def unwatch(self, name: str) -> bool:
        """Watches a variable no longer; whether it was watched."""
    def memo(self, name: str, compute: Callable[[], _T]) -> _T:
        """A value computed once per session, also when two threads ask at once.

        What ``compute`` raises is raised, and nothing is kept. Raises ``LimitError`` for one more
        than ``max_memo_entries``, ``RecursionError`` from inside its own ``compute``.
        """
    def clear_memo(self, name: str) -> bool:
        """Forgets a memo; whether there was one."""
    def get_value(self, key: str, default: Any = None) -> Any:
        """A context value; ``default`` if it was never set in this session.

        Change it by ``set_value`` or ``update_value``: what is done to the object itself is not
        noticed, and so not persisted.
        """
    def set_value(self, key: str, value: object) -> None:
        """Sets a context value, to any object.

        One that is not JSON is shown by its ``repr`` and never persisted.
        """
    def update_value(self, key: str, update: Callable[[Any], _T]) -> _T:
        """Replaces a value by what ``update`` makes of a deep copy of it (``None`` if unset).

        Atomic; for that ``update`` may be called again when another thread was faster. When it
        raises, the value stays what it was.
        """

@final
class Watcher:
    """One managed function, run again whenever something asks for it; never twice at once.

    When the last reference is gone, the watcher is killed. It does not survive ``fork()``: every
    call in the child raises ``ForkError``.

    Raises ``ConfigError``, which names the field, for a configuration that makes no sense.
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
    def manage(self, function: _Managed, /) -> _Managed:
        """Sets the function to run: ``@watcher.manage``, or ``@watcher.manage("what it does")``.

        It is called with the message, or ``None``, and the context. ``StopError``, ``KillError`` and
        ``CrashError`` steer the watcher; any other exception is logged with its traceback, counted,
        and the watcher goes on. Raises ``StateError`` while a session is under way.
        """
    def cleanup(self, function: _Cleanup, /) -> _Cleanup:
        """Sets the function that runs when a session ends in good order or by its last crash.

        Raises ``StateError`` while a session is under way.
        """
    def start(self) -> None:
        """Begins a session, and does not wait for its first execution.

        Raises ``StateError`` when it runs already, has no managed function, or has been killed;
        ``PersistError``, ``JournalError`` and ``ApiError`` when what the configuration asks for
        cannot be had: nothing has begun then.
        """
    def stop(self, timeout: Optional[Seconds] = None, drain: bool = False) -> StopReport:
        """Stops in good order and waits; with ``drain`` the messages that wait are served first.

        Raises ``StopTimeout`` when the function did not return within ``timeout`` (or
        ``stop_timeout``): the watcher is then killed. ``StateError`` from inside the function:
        raise ``StopError`` there.
        """
    def kill(self) -> None:
        """Ends the watcher at once, without cleanup. Never waits."""
    def send_message(self, content: str, timeout: Optional[Seconds] = None) -> None:
        """Sends a message; an execution will serve it. May be called from inside the function too.

        Raises ``QueueFull`` when there is no room: at once, or after ``timeout``. ``NotRunning``
        when no session is under way.
        """
    def wait(self, timeout: Optional[Seconds] = None, until: Optional[Union[State, str]] = None) -> bool:
        """Waits for the end of the session, or for the state ``until``; whether it came.

        Raises ``ValueError`` for what is no state, ``StateError`` from inside the function.
        """
    def run(self) -> StopReport:
        """Starts, and waits for the end.

        On the main thread SIGINT and SIGTERM stop the watcher in good order, and a second one
        kills it; on another thread signals are left alone. Raises as ``start``.
        """
    def start_api_server(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Serves the WatcherAPI and returns its URL; port 0 picks a free one.

        It is served in every state, until the watcher is gone. Raises ``ApiError`` when the port
        is taken, or it is served already.
        """
    @property
    def api_url(self) -> Optional[str]:
        """Where the WatcherAPI is served, like ``http://127.0.0.1:8080``."""
    @property
    def state(self) -> State:
        """The state. Takes no lock."""
    @property
    def id(self) -> str:
        """Unique to this watcher."""
    @property
    def name(self) -> str:
        """As given; ``watcher`` otherwise."""
    @property
    def is_running(self) -> bool:
        """Whether a session is under way."""
    @property
    def values(self) -> dict[str, Any]:
        """The context values of the session."""
    @property
    def stats(self) -> Stats:
        """State, times and counters of the session."""
    def logs(self, type: LogType = "all", limit: int = 100) -> list[LogEntry]:
        """The newest ``limit`` entries of a log, oldest first. ``ValueError`` for no such log."""
    def __enter__(self) -> Watcher:
        """Starts."""
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool:
        """Stops, finishing what is under way but not serving what waits."""
