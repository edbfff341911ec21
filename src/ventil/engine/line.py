"""Who waits at a gate, and who is next.

Two classes: *urgent* requests, for which a person waits, and the others. Urgent ones go
first, but every fourth permit goes to the others while they wait, so a stream of urgent ones
cannot starve a nightly run. Within a class retries go before first tries, or else all that
an outage left would come at the end of the job, slow ones in the last and longest tail; their
budget keeps them from filling the slots, and when it is spent they are passed over. Within
these it is the order of arrival. While the provider seems to be down, the few
probes are spent where they tell most: see `WaitingLine.probe`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from ventil.core.governor import Permit
from ventil.core.places import URGENT_IN_A_ROW


@dataclass(eq=False, slots=True)
class Ticket:
    """A request's place in the line; `number` grows in the order of arrival."""

    number: int
    permit: asyncio.Future[Permit]
    weight: int
    retry: bool
    record: Hashable
    urgent: bool
    chunk: int = 0


class _Class:
    """Retries and first tries of one class, each in the order of arrival."""

    __slots__ = ("again", "fresh")

    def __init__(self) -> None:
        self.fresh: deque[Ticket] = deque()
        self.again: deque[Ticket] = deque()

    def first(self, *, retries: bool) -> Ticket | None:
        """The oldest retry, or else first try; no retry without *retries*; given-up ones go."""
        for queue in (self.fresh, self.again):
            while queue and queue[0].permit.cancelled():
                queue.popleft()
        if retries and self.again:
            return self.again[0]
        return self.fresh[0] if self.fresh else None


class WaitingLine:
    """The line at one gate. `len` counts those who wait, given-up ones at times too."""

    def __init__(self) -> None:
        self._urgent = _Class()
        self._others = _Class()
        self._number = 0
        self._in_a_row = 0  # urgent ones that went while others waited

    def __len__(self) -> int:
        urgent, others = self._urgent, self._others
        return len(urgent.fresh) + len(urgent.again) + len(others.fresh) + len(others.again)

    def __bool__(self) -> bool:
        urgent, others = self._urgent, self._others
        return bool(others.fresh or others.again or urgent.fresh or urgent.again)

    def join(
        self,
        permit: asyncio.Future[Permit],
        *,
        weight: int,
        retry: bool,
        record: Hashable,
        urgent: bool,
        chunk: int = 0,
    ) -> None:
        """Stand at the end of one's class."""
        self._number += 1
        ticket = Ticket(self._number, permit, weight, retry, record, urgent, chunk)
        place = self._urgent if urgent else self._others
        (place.again if retry else place.fresh).append(ticket)

    def next(self, *, retries: bool = True) -> Ticket | None:
        """Who is next; None when nobody is. Nobody leaves the line by this."""
        urgent = self._urgent.first(retries=retries)
        other = self._others.first(retries=retries)
        if urgent is None or other is None:
            return urgent or other
        return other if self._in_a_row >= URGENT_IN_A_ROW else urgent

    def probe(self, failures: Callable[[int], int]) -> Ticket | None:
        """Who is to find out whether the provider is back; None when nobody waits.

        Of the chunk with the fewest *failures* in a row, as a record that will never answer
        tells nothing, and one that has not failed yet rather than one that has.
        """
        waiting = (
            ticket
            for place in (self._urgent, self._others)
            for queue in (place.fresh, place.again)
            for ticket in queue
            if not ticket.permit.cancelled()
        )
        return min(
            waiting, key=lambda it: (it.retry, failures(it.chunk), it.number), default=None
        )

    def waiting(self) -> dict[tuple[int, bool], int]:
        """How many wait, by (weight, retry): as if all of a queue weighed what its first does.

        Given-up ones count at times. Takes the same time however many wait.
        """
        counts: dict[tuple[int, bool], int] = {}
        for place in (self._urgent, self._others):
            for queue in (place.fresh, place.again):
                if queue:
                    kind = queue[0].weight, queue[0].retry
                    counts[kind] = counts.get(kind, 0) + len(queue)
        return counts

    def clear(self) -> list[Ticket]:
        """Everybody leaves; those who did."""
        left: list[Ticket] = []
        for place in (self._urgent, self._others):
            for queue in (place.fresh, place.again):
                left.extend(queue)
                queue.clear()
        return left

    def leave(self, ticket: Ticket) -> None:
        """*ticket*, which `next` or `probe` named, got its permit."""
        place = self._urgent if ticket.urgent else self._others
        queue = place.again if ticket.retry else place.fresh
        if queue[0] is ticket:
            queue.popleft()
        else:
            queue.remove(ticket)
        self._in_a_row = self._in_a_row + 1 if ticket.urgent else 0
