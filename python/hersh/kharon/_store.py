"""What a store written in Python looks like."""

from __future__ import annotations

from typing import Optional, Protocol, Union

from .._hersh import (
    Addition,
    Bell,
    Expired,
    Filter,
    Group,
    Listing,
    Poll,
    Polled,
    StoreStats,
    Ticket,
    Update,
)

#: How a ticket was added: ``"new"``, ``"replaced"``, ``("kept", id)`` of the one that is there; or
#: the exception that refuses it.
Added = Union[str, "tuple[str, str]", Exception]


class Store(Protocol):
    """Keeps tickets.

    Any object with these methods is a store; ``hersh.kharon.conformance`` says whether it does
    what a store must, and ``hersh.kharon.rules`` what each event does to a ticket.

    Calls come from several threads at once. Each operation on one ticket is atomic; those of one
    batch succeed or are refused each by itself, in order. The time is the store's own. Tokens of
    claims never repeat. Ready tickets go by ``(nice, runat)``, then in the order of adding. What a
    method raises concerns the whole call: raise ``StoreError`` with a ``fault``.
    """

    def add(self, additions: list[Addition]) -> list[Added]:
        """Adds tickets, and rings the bells when one of them is ready or due first."""
        ...

    def get(self, id: str) -> Optional[Ticket]:
        """The ticket of an id."""
        ...

    def update(self, updates: list[Update]) -> list[Optional[Exception]]:
        """Changes tickets: ``None`` for each that was, an exception for each that was not."""
        ...

    def poll_pending(self, poll: Poll) -> Polled:
        """Claims up to ``poll.at_most`` ready tickets of ``poll.tubes``, within their budgets."""
        ...

    def expire_tickets(self, at_most: int) -> Expired:
        """Removes tickets whose ``expires_at`` is reached, and groups long finished."""
        ...

    def list(self, filter: Filter, at_most: int, after: Optional[int]) -> Listing:
        """A page of the tickets that match."""
        ...

    def stats(self) -> StoreStats:
        """How many tickets there are."""
        ...

    def open_group(self, group: Group) -> None:
        """Adds ``group.new_finalizers``, which wait for it. ``GroupExists``, or why one cannot."""
        ...

    def close_group(self, name: str) -> None:
        """Takes no more tickets into it, and finishes it if none is pending. ``GroupNotFound``."""
        ...

    def group(self, name: str) -> Optional[Group]:
        """The group of a name."""
        ...

    def delete_group(self, name: str) -> None:
        """Forgets it, and finalizers that still wait. ``GroupNotFound``, ``GroupPending``."""
        ...

    def hang(self, bell: Bell) -> None:
        """Rings this bell from now on: a ``Bells`` keeps them."""
        ...
