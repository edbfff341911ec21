"""Who waits at a gate, and who is next.

Two classes: *urgent* requests, for which a person waits, and the others. Urgent ones go
first, but every fourth permit goes to the others while they wait, so a stream of urgent ones
cannot starve a nightly run. Within a class retries go before first tries, or else all that
an outage left would come at the end of the job, slow ones in the last and longest tail; their
budget keeps them from filling the slots, and when it is spent they are passed over. Retries go
in the order of arrival, first tries chunk by chunk: so few chunks are half done at any time,
and what is answered together has its places in the ledger together. While the provider seems
to be down, the few probes are spent where they tell most: see `WaitingLine.probe`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterator
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
    """Retries of one class by arrival; first tries by chunk, and by arrival within one."""

    __slots__ = ("again", "fresh")

    def __init__(self) -> None:
        self.again: deque[Ticket] = deque()
        self.fresh: list[tuple[int, int, Ticket]] = []  # a heap by (chunk, number)

    def __len__(self) -> int:
        return len(self.again) + len(self.fresh)

    def join(self, ticket: Ticket) -> None:
        if ticket.retry:
            self.again.append(ticket)
        else:
            heapq.heappush(self.fresh, (ticket.chunk, ticket.number, ticket))

    def leave(self, ticket: Ticket) -> None:
        if ticket.retry:
            if self.again[0] is ticket:
                self.again.popleft()
            else:
                self.again.remove(ticket)
        elif self.fresh[0][2] is ticket:
            heapq.heappop(self.fresh)
        else:
            self.fresh.remove((ticket.chunk, ticket.number, ticket))
            heapq.heapify(self.fresh)

    def first(self, *, retries: bool) -> Ticket | None:
        """The first retry, or else first try; no retry without *retries*; given-up ones go."""
        again, fresh = self.again, self.fresh
        while fresh and fresh[0][2].permit.cancelled():
            heapq.heappop(fresh)
        while again and again[0].permit.cancelled():
            again.popleft()
        if retries and again:
            return again[0]
        return fresh[0][2] if fresh else None

    def tickets(self) -> Iterator[Ticket]:
        """Everybody, in no order."""
        yield from self.again
        for _, _, ticket in self.fresh:
            yield ticket


class WaitingLine:
    """The line at one gate. `len` counts those who wait, given-up ones at times too."""

    def __init__(self) -> None:
        self._urgent = _Class()
        self._others = _Class()
        self._number = 0
        self._in_a_row = 0  # urgent ones that went while others waited

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

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
        """Stand behind those of one's class and chunk."""
        self._number += 1
        ticket = Ticket(self._number, permit, weight, retry, record, urgent, chunk)
        (self._urgent if urgent else self._others).join(ticket)

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
            for ticket in place.tickets()
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
            for count, first in (
                (len(place.fresh), place.fresh[0][2] if place.fresh else None),
                (len(place.again), place.again[0] if place.again else None),
            ):
                if first is not None:
                    kind = first.weight, first.retry
                    counts[kind] = counts.get(kind, 0) + count
        return counts

    def clear(self) -> list[Ticket]:
        """Everybody leaves; those who did."""
        left: list[Ticket] = []
        for place in (self._urgent, self._others):
            left.extend(place.tickets())
            place.fresh.clear()
            place.again.clear()
        return left

    def leave(self, ticket: Ticket) -> None:
        """*ticket*, which `next` or `probe` named, got its permit."""
        (self._urgent if ticket.urgent else self._others).leave(ticket)
        self._in_a_row = self._in_a_row + 1 if ticket.urgent else 0
