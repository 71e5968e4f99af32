"""What can go wrong with tickets, groups and stores."""

from __future__ import annotations

from ._errors import Error


class TicketError(Error):
    """Above everything that ``hersh.kharon`` raises."""


class TicketExists(TicketError):
    """There is a ticket with this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is a ticket with the id {id}")
        self.id = id


class KeyTaken(TicketError):
    """A pending ticket has this unique key."""

    def __init__(self, by: str) -> None:
        super().__init__(f"the pending ticket {by} has this unique key")
        self.by = by


class InvalidTicket(TicketError, ValueError):
    """The ticket makes no sense; the words say why."""


class TicketNotFound(TicketError, LookupError):
    """There is no such ticket."""

    def __init__(self, words: str = "there is no such ticket") -> None:
        super().__init__(words)


class StaleClaim(TicketError):
    """The claim is void: its time has passed, or the ticket was claimed again, or settled."""

    def __init__(self, words: str = "the claim is void: the ticket went on without it") -> None:
        super().__init__(words)


class TicketSettled(TicketError):
    """The ticket is settled already; ``status`` says how."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the ticket is settled already: {status}")
        self.status = status


class NotDead(TicketError):
    """Only a failed or cancelled ticket can be revived; ``status`` says how this one stands."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the ticket is {status}, not dead")
        self.status = status


class GroupNotFound(TicketError, LookupError):
    """There is no such group."""

    def __init__(self, words: str = "there is no such group") -> None:
        super().__init__(words)


class GroupExists(TicketError):
    """There is a group with this name."""

    def __init__(self, words: str = "there is a group with this name") -> None:
        super().__init__(words)


class GroupClosed(TicketError):
    """The group takes no more tickets."""

    def __init__(self, words: str = "the group takes no more tickets") -> None:
        super().__init__(words)


class GroupPending(TicketError):
    """The group cannot be forgotten while so many of its tickets are ``pending``."""

    def __init__(self, pending: int) -> None:
        super().__init__(f"the group cannot be forgotten: {pending} of its tickets are pending")
        self.pending = pending


class StoreError(TicketError, OSError):
    """The store could not serve; whether the call had an effect is then unknown.

    ``fault`` is ``"unavailable"`` or ``"full"``, and the same call may succeed later; or ``"foreign"``,
    ``"too_new"``, ``"corrupt"`` or ``"broken"``.
    """

    def __init__(self, words: str, fault: str = "broken") -> None:
        super().__init__(words)
        self.fault = fault


class MissingFeature(TicketError, NotImplementedError):
    """This build of hersh cannot do that; the words say which can."""
