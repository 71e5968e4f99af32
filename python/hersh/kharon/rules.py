"""What an event does to a ticket or a group at a moment, as pure functions.

For stores that are written in Python: keep what these give back. Moments are seconds since the Unix
epoch, by the store's own clock; ``math.inf`` is never.
"""

from .._hersh import (
    admit,
    apply,
    claim,
    close_group,
    count,
    free_finalizer,
    holds,
    join_group,
    ready_at,
)

__all__ = [
    "admit",
    "apply",
    "claim",
    "close_group",
    "count",
    "free_finalizer",
    "holds",
    "join_group",
    "ready_at",
]
