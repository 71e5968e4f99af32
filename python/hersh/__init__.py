"""Reactive watchers.

A watcher runs one *managed function* again whenever a message arrives, a polled value changes, a
channel delivers or a timer fires; never twice at once, always in a deterministic order.

>>> import hersh
>>> watcher = hersh.Watcher(name="greeter")
>>> @watcher.manage
... def app(msg, ctx):
...     if msg:
...         ctx.set_value("last", msg.content)
>>> with watcher:
...     watcher.send_message("Ada")
...     report = watcher.stop(drain=True)
>>> watcher.values["last"]
'Ada'
>>> report.state
<State.STOPPED: 'Stopped'>
"""

from ._aliases import (
    clear_memo,
    get_env,
    get_value,
    memo,
    set_value,
    update_value,
    watch_call,
    watch_flow,
    watch_tick,
)
from ._config import ApiConfig, Journal, Persist, RecoveryPolicy, WatcherConfig
from ._errors import (
    ApiError,
    ChannelClosed,
    ConfigError,
    ControlError,
    CrashError,
    Error,
    ForkError,
    JournalError,
    KillError,
    LimitError,
    NotRunning,
    PersistError,
    QueueFull,
    StateError,
    StopError,
    StopTimeout,
    WatchError,
)
from ._hersh import (
    CancelToken,
    Channel,
    Context,
    Divergence,
    LogEntry,
    Message,
    Replayed,
    StopReport,
    Tick,
    Watched,
    Watcher,
    __version__,
    replay,
)
from ._state import State
from ._stats import Stats

__all__ = [
    "ApiConfig",
    "ApiError",
    "CancelToken",
    "Channel",
    "ChannelClosed",
    "ConfigError",
    "Context",
    "ControlError",
    "CrashError",
    "Divergence",
    "Error",
    "ForkError",
    "Journal",
    "JournalError",
    "KillError",
    "LimitError",
    "LogEntry",
    "Message",
    "NotRunning",
    "Persist",
    "PersistError",
    "QueueFull",
    "RecoveryPolicy",
    "Replayed",
    "State",
    "StateError",
    "Stats",
    "StopError",
    "StopReport",
    "StopTimeout",
    "Tick",
    "WatchError",
    "Watched",
    "Watcher",
    "WatcherConfig",
    "__version__",
    "clear_memo",
    "get_env",
    "get_value",
    "memo",
    "replay",
    "set_value",
    "update_value",
    "watch_call",
    "watch_flow",
    "watch_tick",
]
