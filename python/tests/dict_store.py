"""A store of tickets written in Python: dicts under a lock, as short as such a thing can be."""

from __future__ import annotations

import threading
from typing import Any, Optional

from hersh.kharon import (
    Addition,
    Bell,
    Bells,
    Expired,
    Filter,
    Group,
    GroupExists,
    GroupNotFound,
    GroupPending,
    KeyTaken,
    Listing,
    Poll,
    Polled,
    StoreStats,
    Ticket,
    TicketError,
    TicketExists,
    TicketNotFound,
    Update,
    VirtualClock,
    rules,
)


class DictStore:
    """Everything under one lock; a poll looks at every ticket."""

    prefers_batches = False

    def __init__(self, clock: VirtualClock) -> None:
        self.now = clock.now
        self.lock = threading.RLock()
        self.tickets: dict[str, Ticket] = {}
        self.order: dict[str, int] = {}
        self.groups: dict[str, Group] = {}
        self.added = 0
        self.token = 0
        self.bells = Bells()

    # Adding.

    def add(self, additions: list[Addition]) -> list[Any]:
        with self.lock:
            answers = [self.try_add(addition) for addition in additions]
        self.bells.ring(len(answers))
        return answers

    def try_add(self, addition: Addition) -> Any:
        try:
            return self.add_one(addition.ticket, addition.if_exists)
        except TicketError as refused:
            return refused

    def add_one(self, new: Ticket, if_exists: str) -> Any:
        old = self.tickets.get(new.id)
        if old and if_exists == "refuse":
            raise TicketExists(new.id)
        if old and if_exists == "keep":
            return "kept", old.id
        taken = self.holder(new.unique_key)
        if taken and taken != new.id:
            if if_exists == "keep":
                return "kept", taken
            raise KeyTaken(taken)
        if new.group is not None:
            # The old ticket leaves its group first; when the group takes no more, nothing changes.
            if new.group not in self.groups:
                raise GroupNotFound
            rules.join_group(self.groups[new.group])
        if old:
            self.drop(old)
        if new.group is not None:
            self.groups[new.group] = rules.join_group(self.groups[new.group])
        self.put(rules.admit(new, self.now()))
        self.added += 1
        self.order[new.id] = self.added
        return "replaced" if old else "new"

    def holder(self, key: Optional[str]) -> Optional[str]:
        """The pending ticket that has a unique key."""
        if key is None:
            return None
        holders = (t.id for t in self.tickets.values() if t.unique_key == key)
        return next((id for id in holders if self.tickets[id].status == "pending"), None)

    def put(self, ticket: Ticket) -> None:
        self.tickets[ticket.id] = ticket

    def drop(self, ticket: Ticket) -> None:
        del self.tickets[ticket.id]
        if ticket.status == "pending":
            self.moved(ticket, ("pending", "cancelled"))

    # Changing.

    def update(self, updates: list[Update]) -> list[Optional[Exception]]:
        with self.lock:
            answers = [self.try_update(update) for update in updates]
        self.bells.ring(len(answers))
        return answers

    def try_update(self, update: Update) -> Optional[Exception]:
        try:
            self.update_one(update)
        except TicketError as refused:
            return refused
        return None

    def update_one(self, update: Update) -> None:
        ticket = self.tickets.get(update.id)
        if ticket is None:
            raise TicketNotFound
        changed, removed, moved = rules.apply(ticket, update.token, update.change, self.now())
        if changed.status == "pending" and ticket.status != "pending":
            taken = self.holder(changed.unique_key)
            if taken:
                raise KeyTaken(taken)
        if removed:
            del self.tickets[ticket.id]
        else:
            self.put(changed)
        if moved:
            self.moved(ticket, moved)

    def moved(self, ticket: Ticket, moved: tuple[str, str]) -> None:
        """Counts a ticket in its group."""
        if ticket.group in self.groups:
            group, finished = rules.count(self.groups[ticket.group], moved, self.now())
            self.finish(group, finished)

    def finish(self, group: Group, finished: bool) -> None:
        self.groups[group.name] = group
        for id in group.finalizers if finished else []:
            finalizer = self.tickets.get(id)
            freed = finalizer and rules.free_finalizer(finalizer, self.now())
            if freed:
                self.put(freed)

    # Looking.

    def get(self, id: str) -> Optional[Ticket]:
        return self.tickets.get(id)

    def poll_pending(self, poll: Poll) -> Polled:
        with self.lock:
            now, claimed, used = self.now(), list[Ticket](), dict[str, int]()
            waiting = [t for t in self.tickets.values() if t.tube in poll.tubes]
            waiting.sort(key=lambda t: (t.nice, t.runat, self.order[t.id]))
            later = list[float]()
            for ticket in waiting:
                ready_at = rules.ready_at(ticket)
                if ready_at is None or ready_at == float("inf"):
                    continue
                if ready_at > now:
                    later.append(ready_at)
                    continue
                spent = used.get(ticket.type, 0)
                if len(claimed) < poll.at_most and spent < poll.budget(ticket.type):
                    used[ticket.type] = spent + 1
                    self.token += 1
                    mine = rules.claim(ticket, self.token, poll.lease, now)
                    self.put(mine)
                    claimed.append(mine)
                    assert mine.lease_until is not None
                    later.append(mine.lease_until)
            return Polled(claimed, min(later) - now if later else None)

    def expire_tickets(self, at_most: int) -> Expired:
        with self.lock:
            now, removed, later = self.now(), 0, []
            for ticket in list(self.tickets.values()):
                if ticket.expires_at is None:
                    continue
                if ticket.expires_at > now or removed == at_most:
                    later.append(max(0.0, ticket.expires_at - now))
                    continue
                self.drop(ticket)
                removed += 1
            for group in list(self.groups.values()):
                if group.finished_at is None or group.pending:
                    continue
                left = group.finished_at + group.expire_in - now
                if left <= 0:
                    del self.groups[group.name]
                else:
                    later.append(left)
            return Expired(removed, min(later, default=None))

    def list(self, filter: Filter, at_most: int, after: Optional[int]) -> Listing:
        with self.lock:
            numbered = sorted((self.order[t.id], t) for t in self.tickets.values())
            found = [(n, t) for n, t in numbered if n > (after or 0) and filter.matches(t)]
            page = found[:at_most]
            more = page[-1][0] if len(found) > at_most and page else None
            return Listing([t for _, t in page], more)

    def stats(self) -> StoreStats:
        with self.lock:
            now, counted = self.now(), dict[str, int]()
            for ticket in self.tickets.values():
                counted[ticket.status] = counted.get(ticket.status, 0) + 1
                if ticket.token is not None and rules.holds(ticket, ticket.token, now):
                    counted["claimed"] = counted.get("claimed", 0) + 1
            return StoreStats(**counted)

    # Groups.

    def open_group(self, group: Group) -> None:
        with self.lock:
            if group.name in self.groups:
                raise GroupExists
            for ticket in group.new_finalizers:
                if ticket.id in self.tickets:
                    raise TicketExists(ticket.id)
                taken = self.holder(ticket.unique_key)
                if taken:
                    raise KeyTaken(taken)
                if ticket.group is not None:
                    if ticket.group not in self.groups:
                        raise GroupNotFound
                    rules.join_group(self.groups[ticket.group])
            self.groups[group.name] = group
            for ticket in group.new_finalizers:
                self.add_one(ticket, "refuse")

    def close_group(self, name: str) -> None:
        with self.lock:
            if name not in self.groups:
                raise GroupNotFound
            self.finish(*rules.close_group(self.groups[name], self.now()))
        self.bells.ring()

    def group(self, name: str) -> Optional[Group]:
        return self.groups.get(name)

    def delete_group(self, name: str) -> None:
        with self.lock:
            group = self.groups.get(name)
            if group is None:
                raise GroupNotFound
            if group.pending:
                raise GroupPending(group.pending)
            del self.groups[name]
            for id in group.finalizers:
                ticket = self.tickets.get(id)
                if ticket and ticket.status == "pending" and ticket.runat == float("inf"):
                    self.drop(ticket)

    def hang(self, bell: Bell) -> None:
        self.bells.hang(bell)
