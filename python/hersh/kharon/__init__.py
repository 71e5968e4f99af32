"""Kharon: delayed tickets, in memory or in a database, that are never lost.

A *ticket* is a piece of work with an id, a type and a payload. It is added to a *store*, waits for
its time, is claimed by a worker, and run by the handler that a *router* has for its type. Done,
failed for good or cancelled, it is settled; failed otherwise, it waits and is tried again.

>>> import threading
>>> from hersh.kharon import Kharon, MemoryStore, Router, Ticket
>>> router, sent, to = Router(), threading.Event(), []
>>> @router.handle("email")
... def send(claim):
...     to.append(claim.json()["to"])
...     sent.set()
>>> kharon = Kharon(MemoryStore())
>>> kharon.start(router)
>>> kharon.add(Ticket("email", {"to": "ada"}, id="mail-17"))
'mail-17'
>>> sent.wait(60) and kharon.stop(grace=60).still_running
0
>>> to, kharon.get("mail-17").status
(['ada'], 'done')

At least once: a ticket is run until it is settled, and one whose worker died is claimable again
after ``process_time``; make handlers repeatable, by the ticket's id. A worker that comes late is
refused with ``StaleClaim``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from .._hersh import (
    Addition,
    Bell,
    Bells,
    Change,
    Claim,
    Expired,
    Filter,
    Group,
    Kharon,
    KharonReport,
    Listing,
    MemoryStore,
    Poll,
    Polled,
    SqliteStore,
    Stepper,
    StoreStats,
    Ticket,
    Update,
    VirtualClock,
    conformance,
    open_postgres,
    random_id,
)
from .._kharon_errors import (
    GroupClosed,
    GroupExists,
    GroupNotFound,
    GroupPending,
    InvalidTicket,
    KeyTaken,
    MissingFeature,
    NotDead,
    StaleClaim,
    StoreError,
    TicketError,
    TicketExists,
    TicketNotFound,
    TicketSettled,
)
from . import rules
from ._router import Router
from ._settings import Settings
from ._store import Store

if TYPE_CHECKING:
    from .._config import Seconds


def PostgresStore(
    address: str,
    *,
    schema: str = "kharon",
    connections: int = 6,
    patience: Union[Seconds, float] = 5.0,
    listen: bool = True,
) -> object:
    """Keeps tickets in PostgreSQL, for many processes on many machines.

    ``address`` is like ``postgresql://worker@db.example/jobs``, without TLS; ``schema`` has the tables,
    which are made; at most so many ``connections``, each waited for up to ``patience``. ``listen`` tells
    other processes of new tickets.

    Its client brings an async runtime, so it is in builds with the feature ``postgres`` alone:
    ``MissingFeature`` says how to make one. Raises ``StoreError``.
    """
    return open_postgres(
        address, schema=schema, connections=connections, patience=patience, listen=listen
    )


__all__ = [
    "Addition",
    "Bell",
    "Bells",
    "Change",
    "Claim",
    "Expired",
    "Filter",
    "Group",
    "GroupClosed",
    "GroupExists",
    "GroupNotFound",
    "GroupPending",
    "InvalidTicket",
    "Kharon",
    "KharonReport",
    "KeyTaken",
    "Listing",
    "MemoryStore",
    "MissingFeature",
    "NotDead",
    "Poll",
    "Polled",
    "PostgresStore",
    "Router",
    "Settings",
    "SqliteStore",
    "StaleClaim",
    "Stepper",
    "Store",
    "StoreError",
    "StoreStats",
    "Ticket",
    "TicketError",
    "TicketExists",
    "TicketNotFound",
    "TicketSettled",
    "Update",
    "VirtualClock",
    "conformance",
    "random_id",
    "rules",
]
