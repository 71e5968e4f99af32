"""What a store of tickets deals with: what it is asked, what it answers, and the rules it goes by.

As ``_native_kharon``, a part of ``hersh._hersh``: there is no module of this name.
"""

from typing import Callable, Literal, Optional, Sequence, final

from ._config import Seconds
from ._native_kharon import Ticket, VirtualClock, _IfExists, _Status, _Stores

@final
class Bell:
    """What idle workers listen for."""

    def ring(self, tickets: int = 1) -> None:
        """So many tickets may have become ready."""

@final
class Bells:
    """The bells that a store rings."""

    def __new__(cls) -> Bells: ...
    def hang(self, bell: Bell) -> None:
        """Rings this one too from now on, as long as somebody listens."""
    def ring(self, tickets: int = 1) -> None:
        """Rings them all: so many tickets may have become ready."""

@final
class Addition:
    """A ticket to add."""

    @property
    def ticket(self) -> Ticket:
        """The ticket; ``rules.admit`` makes of it the one to keep."""
    @property
    def if_exists(self) -> _IfExists:
        """What to do when there is one with its id; ``keep`` goes for the unique key too."""

@final
class Update:
    """A change to make to a ticket."""

    @property
    def id(self) -> str:
        """Which ticket."""
    @property
    def token(self) -> Optional[int]:
        """The claim under which it is changed, if any."""
    @property
    def change(self) -> Change:
        """What to change; ``rules.apply`` does it."""

@final
class Change:
    """What to change. What does not belong to its ``kind`` is ``None``."""

    @property
    def kind(self) -> Literal["finish", "retry", "release", "extend", "skip", "revive", "delete"]:
        """What it does."""
    @property
    def status(self) -> Optional[_Status]:
        """How it is finished."""
    @property
    def keep(self) -> Optional[bool]:
        """Whether a finished ticket stays in the store."""
    @property
    def expire_in(self) -> Optional[float]:
        """How long a finished ticket stays; without end unless said."""
    @property
    def reason(self) -> Optional[str]:
        """Why."""
    @property
    def payload(self) -> Optional[bytes]:
        """A new payload."""
    @property
    def delay(self) -> Optional[float]:
        """How long a retried or revived ticket waits."""
    @property
    def nice(self) -> Optional[int]:
        """A new place in the order, for a retry."""
    @property
    def lease(self) -> Optional[float]:
        """How long an extended claim runs, from now."""

@final
class Poll:
    """A request to claim tickets."""

    @property
    def tubes(self) -> list[str]:
        """The tubes to look into."""
    @property
    def at_most(self) -> int:
        """The most tickets to claim."""
    @property
    def lease(self) -> float:
        """How long the claims run."""
    def budget(self, type: str) -> int:
        """How many of a type may be claimed."""

@final
class Polled:
    """What a poll brought: tickets in order, each claimed; and how long until the next may be ready."""

    def __new__(cls, tickets: Sequence[Ticket], next_in: Optional[Seconds] = None) -> Polled: ...

@final
class Expired:
    """How many tickets were removed, and how long until the next is to be; zero when more are due."""

    def __new__(cls, removed: int, next_in: Optional[Seconds] = None) -> Expired: ...

@final
class Filter:
    """Which tickets to list: those that match in everything that is said."""

    def __new__(
        cls,
        *,
        status: Optional[_Status] = None,
        type: Optional[str] = None,
        tube: Optional[str] = None,
        group: Optional[str] = None,
    ) -> Filter: ...
    def matches(self, ticket: Ticket) -> bool:
        """Whether a ticket matches."""

@final
class Listing:
    """A part of a listing."""

    def __new__(cls, tickets: Sequence[Ticket], next: Optional[int] = None) -> Listing: ...
    @property
    def tickets(self) -> list[Ticket]:
        """The tickets."""
    @property
    def next(self) -> Optional[int]:
        """Where it goes on; ``None`` at the end."""

@final
class StoreStats:
    """How many tickets a store has."""

    def __new__(
        cls,
        *,
        pending: int = 0,
        claimed: int = 0,
        done: int = 0,
        failed: int = 0,
        cancelled: int = 0,
    ) -> StoreStats: ...
    @property
    def pending(self) -> int:
        """Pending ones, claimed or not."""
    @property
    def claimed(self) -> int:
        """Those of the pending ones that are claimed."""
    @property
    def done(self) -> int:
        """Done ones that were kept."""
    @property
    def failed(self) -> int:
        """Failed ones: the dead letters."""
    @property
    def cancelled(self) -> int:
        """Cancelled ones that were kept."""
    @property
    def total(self) -> int:
        """All of them."""

@final
class Group:
    """A group of tickets that are finished together, as a store keeps it."""

    def __new__(
        cls,
        name: str,
        *,
        closed: bool = False,
        pending: int = 0,
        done: int = 0,
        failed: int = 0,
        cancelled: int = 0,
        finalizers: Sequence[str] = [],
        expire_in: Optional[Seconds] = None,
        finished_at: Optional[float] = None,
    ) -> Group: ...
    @property
    def name(self) -> str:
        """Its name."""
    @property
    def closed(self) -> bool:
        """Whether it takes no more tickets."""
    @property
    def pending(self) -> int:
        """Tickets that are not settled yet."""
    @property
    def done(self) -> int:
        """Tickets that are done."""
    @property
    def failed(self) -> int:
        """Tickets that failed for good."""
    @property
    def cancelled(self) -> int:
        """Tickets that were cancelled, or deleted while they were pending."""
    @property
    def total(self) -> int:
        """All tickets that were ever added to it."""
    @property
    def finalizers(self) -> list[str]:
        """The ids of the tickets that become ready when it is finished."""
    @property
    def new_finalizers(self) -> list[Ticket]:
        """For stores: the finalizers to add, with a group that is opened."""
    @property
    def expire_in(self) -> float:
        """How long after it is finished it is forgotten."""
    @property
    def finished_at(self) -> Optional[float]:
        """When it was finished."""

_Moved = Optional[tuple[str, str]]

def admit(ticket: Ticket, now: float) -> Ticket:
    """The ticket that a new one becomes when it is added."""

def ready_at(ticket: Ticket) -> Optional[float]:
    """From when on a ticket can be claimed; ``None`` when it is settled."""

def claim(ticket: Ticket, token: int, lease: Seconds, now: float) -> Ticket:
    """The ticket as it is once it is claimed. ``ValueError`` when it is not ready."""

def holds(ticket: Ticket, token: int, now: float) -> bool:
    """Whether a claim is still good: the ticket's last one, and its time not over."""

def apply(
    ticket: Ticket, token: Optional[int], change: Change, now: float
) -> tuple[Ticket, bool, _Moved]:
    """The ticket after a change, whether it is to be removed, and how it moved.

    Raises what an ``update`` answers. That a revived ticket's unique key is free, and that groups
    count what moved, is for the store to see to.
    """

def join_group(group: Group) -> Group:
    """The group with one more pending ticket. ``GroupClosed``."""

def count(group: Group, moved: tuple[str, str], now: float) -> tuple[Group, bool]:
    """The group after a ticket moved, and whether it is finished by that."""

def close_group(group: Group, now: float) -> tuple[Group, bool]:
    """The group closed, and whether it is finished by that."""

def free_finalizer(ticket: Ticket, now: float) -> Optional[Ticket]:
    """The finalizer made ready; ``None`` when it waits for its group no longer."""

def conformance(
    store_factory: Callable[[VirtualClock], _Stores], *, only: Optional[str] = None
) -> int:
    """Holds a store to the suite that every store passes; how many checks held.

    ``store_factory(clock)`` makes an empty store that goes by the clock. ``only`` names one check.
    Raises ``AssertionError`` with the words of every check that does not hold, or what
    ``store_factory`` raises.
    """
