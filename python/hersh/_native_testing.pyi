"""Runs that do not wait: simulated, and replayed from a journal.

As ``_hersh``, of which this is a part: there is no module of this name.
"""

from os import PathLike
from typing import Callable, Mapping, Optional, Union, final

from ._config import Seconds, WatcherConfig
from ._hersh import CancelToken, Context, Message, Watcher
from ._state import State

def replay(
    journal: Union[str, PathLike[str]],
    fn: Callable[[Optional[Message], Context], object],
    *,
    env: Optional[Mapping[str, str]] = None,
) -> Replayed:
    """Gives the inputs of a journal to a function again, without waiting, on this thread.

    What the function sees is what was recorded: messages, values, times. The first change of state
    that differs from the record ends the replay and is its ``divergence``. Values that were no JSON
    cannot be given again. ``env`` are the environment values, which no journal holds.

    Raises ``JournalError`` when the journal is damaged, foreign, of another version, or holds a
    value that is needed and was no JSON.
    """

@final
class Replayed:
    """What a replay has shown."""

    @property
    def inputs(self) -> int:
        """Inputs that were given."""
    @property
    def transitions(self) -> int:
        """Changes of state that were the same as recorded."""
    @property
    def divergence(self) -> Optional[Divergence]:
        """The first change of state that was not, if any."""
    @property
    def torn(self) -> bool:
        """Whether the journal's last line is not whole, as a sudden end leaves it."""

@final
class Divergence:
    """The first change of state that differs from the record."""

    @property
    def index(self) -> int:
        """Its number among all changes of state, from 0."""
    @property
    def at(self) -> float:
        """When, in seconds since the watcher was built."""
    @property
    def expected(self) -> Optional[str]:
        """What the journal says; ``None`` when it says nothing happened."""
    @property
    def found(self) -> Optional[str]:
        """What happened in the replay; ``None`` when nothing did."""

@final
class Simulation:
    """A virtual clock and the watchers that live by it.

    Nothing happens but while it is run: by ``advance`` and ``run_until_idle``, and by ``stop`` and
    ``wait`` of its watchers, which move the clock instead of waiting. Functions and polls run on the
    thread that does that, in no time unless they call ``ctx.sleep``. Two runs with one seed do the
    same. Ctrl-C in a function ends its watcher and is raised to whoever runs the simulation.

    Queues and iterables are read while it is run, without a thread: an iterable must not block.
    """

    def __new__(cls, seed: int = 0) -> Simulation: ...
    def watcher(
        self,
        config: Optional[WatcherConfig] = None,
        *,
        env: Optional[Mapping[str, str]] = None,
        name: Optional[str] = None,
        parent: Optional[CancelToken] = None,
    ) -> Watcher:
        """Makes a watcher that lives in this simulation. Arguments and errors as ``Watcher``."""
    def advance(self, seconds: Seconds) -> None:
        """Moves the clock, doing everything that falls due on the way.

        Raises ``StateError`` from inside what it runs, from a second thread at once, and when a
        million executions in a row have not come to rest at one moment.
        """
    def run_until_idle(self) -> None:
        """Does everything that can be done without the clock moving. Raises as ``advance``."""
    def now(self) -> float:
        """The virtual time; it begins at 2025-01-01 00:00 UTC."""
    def send(self, watcher: Watcher, content: str) -> None:
        """As ``watcher.send_message(content)``: it is served when the simulation is run."""
    def inject_poll(self, watcher: Watcher, name: str, value: object) -> None:
        """Lets the next poll of a variable bring this value, without calling it.

        Several wait in line, with those of ``fail_polls``. Before or after it is watched. Raises ``ValueError`` for a watcher of another simulation, as do the following.
        """
    def fail_polls(
        self, watcher: Watcher, name: str, times: int = 1, error: str = "the poll failed"
    ) -> None:
        """Lets the next ``times`` polls of a variable fail with these words, without calling it."""
    def delay_polls(self, watcher: Watcher, name: str, delay: Seconds) -> None:
        """Lets every poll of a variable take so long from now on."""
    def inject_flow(self, watcher: Watcher, name: str, value: object) -> None:
        """Lets a flow bring this value, after those that wait already.

        Before or after it is watched. Raises ``ChannelClosed`` when its source has ended.
        """
    @property
    def trace(self) -> Trace:
        """Every change of state so far."""

@final
class Trace:
    """The changes of state in a simulation, in order. Runs that did the same have equal traces."""

    @property
    def entries(self) -> list[TraceEntry]:
        """The first million changes."""
    @property
    def digest(self) -> int:
        """A number (FNV-1a) made of the text of all changes."""
    def __len__(self) -> int:
        """The number of all changes."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class TraceEntry:
    """One change of state of one watcher."""

    @property
    def at(self) -> float:
        """When, in seconds since the simulation began."""
    @property
    def watcher(self) -> str:
        """The id of the watcher: ``sim-1``, ``sim-2``, …"""
    @property
    def before(self) -> State:
        """The state before."""
    @property
    def after(self) -> State:
        """The state after."""
    @property
    def cause(self) -> str:
        """Why, like ``message 1``."""
