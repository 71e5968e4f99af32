"""The native half of ``hersh.kharon``. There is no module of this name: it is part of ``hersh._hersh``.

Everything may be called from any thread; what asks a store lets other Python threads run meanwhile.
"""

from os import PathLike
from types import TracebackType
from typing import Any, Literal, Optional, Sequence, Union, final

from ._config import Seconds
from ._native_stores import Group, Listing, StoreStats
from .kharon._router import Router
from .kharon._settings import Settings
from .kharon._store import Store

#: What a ticket carries: bytes and texts as they are, anything else as JSON.
_Payload = Any
_Stores = Union[MemoryStore, SqliteStore, Store, object]
#: A ticket that was claimed stands for its claim, an id for the ticket, whoever has it.
_Target = Union[str, Ticket]
_IfExists = Literal["refuse", "replace", "keep"]
_Status = Literal["pending", "done", "failed", "cancelled"]

def random_id() -> str:
    """An id that nobody else has: a random UUIDv7."""

@final
class Ticket:
    """A piece of work: as it is to be added, or as a store keeps it.

    >>> from hersh.kharon import Ticket
    >>> ticket = Ticket("email", {"to": "ada"}, id="mail-17", delay=60.0, nice=5)
    >>> ticket.json()["to"], ticket.status, ticket.attempts
    ('ada', 'pending', 0)

    It may run after ``delay``, or from ``runat`` on; lower ``nice`` goes first. While it is pending no
    other ticket with its ``unique_key`` can be added. It repeats ``every`` so long (a second at
    least), or by a ``cron`` line in UTC; runs that were missed are made up for by one
    (``catch_up="once"``), by none (``"skip"``), or by the last so many (a number).

    Raises ``ValueError`` for what makes no sense.
    """

    def __new__(
        cls,
        type: str,
        payload: _Payload = None,
        *,
        id: Optional[str] = None,
        delay: Optional[Seconds] = None,
        runat: Optional[float] = None,
        nice: int = 512,
        tube: str = "default",
        group: Optional[str] = None,
        unique_key: Optional[str] = None,
        every: Optional[Seconds] = None,
        cron: Optional[str] = None,
        catch_up: Union[Literal["once", "skip"], int, None] = None,
    ) -> Ticket: ...
    @staticmethod
    def kept(
        *,
        id: str,
        type: str,
        tube: str,
        payload: _Payload,
        nice: int,
        runat: float,
        status: str,
        attempts: int,
        ctime: float,
        mtime: float,
        error_reason: Optional[str] = None,
        expires_at: Optional[float] = None,
        token: Optional[int] = None,
        lease_until: Optional[float] = None,
        group: Optional[str] = None,
        unique_key: Optional[str] = None,
        repeat: Optional[str] = None,
    ) -> Ticket:
        """For stores: the ticket that was kept as these ``fields()``."""
    def fields(self) -> dict[str, Any]:
        """For stores: everything there is to keep of a ticket that was added."""
    @property
    def id(self) -> str:
        """What tells it from every other."""
    @property
    def type(self) -> str:
        """By which the router chooses the handler."""
    @property
    def tube(self) -> str:
        """The named queue it waits in."""
    @property
    def payload(self) -> bytes:
        """What it carries."""
    def json(self) -> Any:
        """What it carries, read as JSON."""
    @property
    def nice(self) -> int:
        """Lower goes first."""
    @property
    def runat(self) -> Optional[float]:
        """Not before this; of one that is to be added, if it names a time."""
    @property
    def delay(self) -> Optional[float]:
        """How long it is to wait, if it says so; of one that is to be added."""
    @property
    def status(self) -> _Status:
        """Where it stands."""
    @property
    def attempts(self) -> int:
        """How often it was claimed since it was added, revived, or fell due by its schedule."""
    @property
    def ctime(self) -> Optional[float]:
        """When it was added."""
    @property
    def mtime(self) -> Optional[float]:
        """When it was last changed; claims count."""
    @property
    def error_reason(self) -> Optional[str]:
        """Why its last attempt failed."""
    @property
    def expires_at(self) -> Optional[float]:
        """When it is to be removed."""
    @property
    def token(self) -> Optional[int]:
        """What proves the last claim."""
    @property
    def lease_until(self) -> Optional[float]:
        """From here on the last claim is void."""
    @property
    def group(self) -> Optional[str]:
        """The group it belongs to."""
    @property
    def unique_key(self) -> Optional[str]:
        """While it is pending, no other ticket with this key can be added."""
    @property
    def repeats(self) -> bool:
        """Whether it goes back to pending when it is done."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Claim:
    """A ticket that a worker has claimed, as its handler gets it.

    What a handler does not settle is settled when it returns. Once it has returned, this raises
    ``StateError``: settle the ``ticket`` by the Kharon then, as a claim that was left. Whatever is
    done after ``process_time`` is refused with ``StaleClaim``.
    """

    @property
    def ticket(self) -> Ticket:
        """The ticket as it was when it was claimed; stands for the claim."""
    @property
    def id(self) -> str:
        """The ticket's id."""
    @property
    def type(self) -> str:
        """The ticket's type."""
    @property
    def payload(self) -> bytes:
        """What the ticket carries."""
    def json(self) -> Any:
        """What the ticket carries, read as JSON."""
    @property
    def attempts(self) -> int:
        """Which attempt this is, from 1."""
    def remaining(self) -> float:
        """How long until the claim is over, and others may claim the ticket."""
    @property
    def is_stopping(self) -> bool:
        """Whether the workers are being stopped, so that there is reason to hurry."""
    def done(self, *, expire_in: Optional[Seconds] = None, payload: _Payload = None) -> None:
        """The work is done; the ticket is kept."""
    def ack(
        self, *, keep: bool = False, expire_in: Optional[Seconds] = None, payload: _Payload = None
    ) -> None:
        """The work is done; the ticket is removed, unless it is to be kept."""
    def fail(
        self,
        error_reason: Optional[str] = None,
        *,
        expire_in: Optional[Seconds] = None,
        payload: _Payload = None,
    ) -> None:
        """The work failed for good: the ticket becomes a dead letter."""
    def cancel(
        self,
        error_reason: Optional[str] = None,
        *,
        keep: bool = False,
        expire_in: Optional[Seconds] = None,
    ) -> None:
        """The work is no longer wanted; the ticket is removed, unless it is to be kept."""
    def retry(
        self,
        delay: Optional[Seconds] = None,
        *,
        error_reason: Optional[str] = None,
        nice: Optional[int] = None,
        payload: _Payload = None,
    ) -> None:
        """The ticket is to be tried again, after ``delay``."""
    def leave(self) -> None:
        """Leaves the ticket claimed when the handler returns, for somebody else to settle."""
    def extend(self) -> None:
        """Lets the claim run for the whole ``process_time`` again, from now."""

@final
class KharonReport:
    """What stopping came to."""

    @property
    def given_back(self) -> int:
        """Tickets that were claimed but not begun, and were given back."""
    @property
    def still_running(self) -> int:
        """Workers whose handlers had not returned when the grace was over."""
    @property
    def unsaved(self) -> int:
        """Results that the store has not taken: their tickets will be run again."""

@final
class Kharon:
    """A queue of tickets, and the workers that run them.

    Calls that change something return when the store has acknowledged it; all may raise
    ``StoreError``. ``with kharon:`` stops the workers at the end of the block, as does the end of
    the last reference. Does not survive ``fork()``.
    """

    def __new__(
        cls,
        store: _Stores,
        settings: Optional[Settings] = None,
        *,
        clock: Optional[VirtualClock] = None,
    ) -> Kharon: ...
    def add(self, ticket: Ticket) -> str:
        """Adds a ticket, and says its id.

        Raises ``TicketExists``, ``KeyTaken``, ``GroupNotFound``, ``GroupClosed``, ``InvalidTicket``.
        """
    def add_or_replace(self, ticket: Ticket) -> bool:
        """Adds a ticket in place of one with its id, whatever its state; whether there was one."""
    def add_if_absent(self, ticket: Ticket) -> Optional[str]:
        """Adds a ticket unless there is one with its id or unique key: then that one's id."""
    def add_all(
        self, tickets: Sequence[Ticket], *, if_exists: _IfExists = "refuse"
    ) -> list[Optional[Exception]]:
        """Adds many tickets at once, each by itself: ``None``, or the exception that ``add`` raises."""
    def get(self, id: str) -> Optional[Ticket]:
        """The ticket of an id, if there is one."""
    def done(
        self, ticket: _Target, *, expire_in: Optional[Seconds] = None, payload: _Payload = None
    ) -> None:
        """Settles a ticket as done, and keeps it; one that repeats goes back to pending.

        Raises ``TicketNotFound``, ``TicketSettled``, ``StaleClaim``, as do the following.
        """
    def ack(
        self,
        ticket: _Target,
        *,
        keep: bool = False,
        expire_in: Optional[Seconds] = None,
        payload: _Payload = None,
    ) -> None:
        """Settles a ticket as done, and removes it, unless it is to be kept."""
    def fail(
        self,
        ticket: _Target,
        error_reason: Optional[str] = None,
        *,
        expire_in: Optional[Seconds] = None,
        payload: _Payload = None,
    ) -> None:
        """Settles a ticket as failed, and keeps it as a dead letter."""
    def cancel(
        self,
        ticket: _Target,
        error_reason: Optional[str] = None,
        *,
        keep: bool = False,
        expire_in: Optional[Seconds] = None,
    ) -> None:
        """Cancels a ticket, and removes it, unless it is to be kept."""
    def retry(
        self,
        ticket: _Target,
        delay: Optional[Seconds] = None,
        *,
        error_reason: Optional[str] = None,
        nice: Optional[int] = None,
        payload: _Payload = None,
    ) -> None:
        """Lets a pending ticket wait, from now, for ``delay``."""
    def revive(self, ticket: _Target, delay: Optional[Seconds] = None) -> None:
        """Makes a failed or cancelled ticket pending again, with no attempts. ``NotDead``."""
    def revive_all(
        self,
        *,
        type: Optional[str] = None,
        tube: Optional[str] = None,
        group: Optional[str] = None,
        at_most: int = 1000,
    ) -> int:
        """Brings back up to so many failed tickets that match, and says how many."""
    def delete(self, ticket: _Target) -> None:
        """Removes a ticket in whatever state."""
    def list(
        self,
        *,
        status: Optional[_Status] = None,
        type: Optional[str] = None,
        tube: Optional[str] = None,
        group: Optional[str] = None,
        at_most: int = 100,
        after: Optional[int] = None,
    ) -> Listing:
        """A page of the tickets that match; ``after`` is the ``next`` of the page before."""
    def stats(self) -> StoreStats:
        """How many tickets the store has."""
    def prometheus(self) -> str:
        """What was counted and measured, in the text format of Prometheus."""
    def open_group(
        self, name: str, *, finalizers: Sequence[Ticket] = [], expire_in: Optional[Seconds] = None
    ) -> None:
        """Opens a group, to which tickets can then be added; ``finalizers`` run when it is finished.

        It is forgotten ``expire_in`` after that: a day unless said otherwise. Raises
        ``GroupExists``, or what ``add`` raises of a finalizer.
        """
    def close_group(self, name: str) -> None:
        """Takes no more tickets into a group: it is finished when none is pending. ``GroupNotFound``."""
    def group(self, name: str) -> Optional[Group]:
        """The group of a name, with how far it has come."""
    def delete_group(self, name: str) -> None:
        """Forgets a group without pending tickets. ``GroupNotFound``, ``GroupPending``."""
    def start(self, router: Router) -> None:
        """Starts the workers, and returns. ``StateError`` when they run already."""
    def run(self, router: Router, *, grace: Optional[Seconds] = None) -> None:
        """Starts the workers, and waits until ``stop`` has ended them.

        Ctrl-C stops them, waits for ``grace`` (``process_time`` unless said otherwise), and is raised.
        """
    def stop(self, grace: Optional[Seconds] = None) -> KharonReport:
        """Ends the workers: each finishes its ticket, and what was only claimed is given back.

        Waits no longer than ``grace``: ``process_time`` unless said otherwise.
        """
    @property
    def is_stopping(self) -> bool:
        """Whether it was stopped, or never started."""
    def stepper(self, router: Router) -> Stepper:
        """Runs tickets one step at a time in place of workers: for tests, with a ``VirtualClock``."""
    def __enter__(self) -> Kharon: ...
    def __exit__(
        self,
        _kind: Optional[type[BaseException]],
        _error: Optional[BaseException],
        _traceback: Optional[TracebackType],
    ) -> bool: ...

@final
class Stepper:
    """Runs tickets one step at a time, on the calling thread.

    >>> from hersh.kharon import Kharon, MemoryStore, Router, Ticket, VirtualClock
    >>> clock, router, ran = VirtualClock(), Router(), []
    >>> kharon = Kharon(MemoryStore(clock=clock), clock=clock)
    >>> @router.handle("report")
    ... def report(claim):
    ...     ran.append(clock.now())
    >>> _ = kharon.add(Ticket("report", every=3600))
    >>> kharon.stepper(router).run_for(clock, 24 * 3600)
    24
    """

    def step(self) -> tuple[int, float]:
        """Claims a batch and runs it: how many tickets, and how long until there may be more."""
    def run_for(self, clock: VirtualClock, seconds: Seconds) -> int:
        """Moves a clock on, running everything that falls due on the way; how many tickets."""

@final
class MemoryStore:
    """Keeps tickets in memory: they end with the process."""

    def __new__(cls, *, clock: Optional[VirtualClock] = None) -> MemoryStore: ...

@final
class SqliteStore:
    """Keeps tickets in a SQLite file, for the processes of one machine.

    What was acknowledged survives ``kill -9``, and with ``durability="full"`` the loss of power; with
    ``"normal"`` the last changes may then be missing. Another process that writes is waited for up
    to ``busy_timeout``, 10 s unless said otherwise. Raises ``StoreError`` when the file cannot be
    opened, or is no store of tickets.
    """

    def __new__(
        cls,
        path: Union[str, PathLike[str]],
        *,
        durability: Literal["full", "normal"] = "full",
        busy_timeout: Optional[Seconds] = None,
        clock: Optional[VirtualClock] = None,
    ) -> SqliteStore: ...
    @property
    def path(self) -> Any:
        """The file."""
    def verify(self) -> None:
        """Looks through the whole file. ``StoreError`` with the fault ``corrupt``."""

def open_postgres(
    address: str, *, schema: str, connections: int, patience: Seconds, listen: bool
) -> Any:
    """Keeps tickets in PostgreSQL, for many processes on many machines."""

@final
class VirtualClock:
    """A clock that stands still until it is moved: for tests and simulations."""

    def __new__(cls) -> VirtualClock: ...
    def now(self) -> float:
        """The time; it begins at 2025-01-01 00:00 UTC."""
    def advance(self, seconds: Seconds) -> None:
        """Moves the clock on."""
