"""Which handler runs which tickets."""

from __future__ import annotations

from typing import Callable, Optional, TypeVar

from .._config import Seconds
from .._hersh import Claim

Handler = Callable[[Claim], object]
_H = TypeVar("_H", bound=Handler)


class Router:
    """Chooses a handler by a ticket's type.

    A handler that returns without settling its ticket has done it. What it raises becomes the
    ``error_reason``, is logged, and the ticket is tried again with backoff. Handlers run on the
    worker threads, several at once.

    >>> router = Router()
    >>> @router.handle("email")
    ... def send(claim):
    ...     print("to", claim.json()["to"])
    >>> router.limit("email", concurrency=2, rate=(100, 60.0))
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.fallback: Optional[Handler] = None
        self.limits: dict[str, tuple[Optional[int], Optional[tuple[int, Seconds]]]] = {}

    def handle(self, type: str) -> Callable[[_H], _H]:
        """Runs the decorated function for tickets of this type."""

        def decorate(handler: _H) -> _H:
            self.handlers[type] = handler
            return handler

        return decorate

    def not_found(self, handler: _H) -> _H:
        """Runs the decorated function for tickets of all other types; without it they fail."""
        self.fallback = handler
        return handler

    def limit(
        self,
        type: str,
        *,
        concurrency: Optional[int] = None,
        rate: Optional[tuple[int, Seconds]] = None,
    ) -> None:
        """Limits tickets of a type within this process.

        At most ``concurrency`` at once, and at most ``rate[0]`` within ``rate[1]`` seconds.
        """
        self.limits[type] = (concurrency, rate)
