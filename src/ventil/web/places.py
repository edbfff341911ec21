"""Places for calls under way, such that no slow caller keeps the quick ones out.

So many bodies are read or stored at once. When one more comes, a body that is still on its way
gives up its place: of the provider that has most of them, the one that has taken longest. Who
sends slowly by intent, with as many tokens as it likes, pushes out its own; a body that is
sent at once has come before anybody pushes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass


class Full(Exception):
    """No place is left, or this one was given to another call."""


@dataclass(eq=False, slots=True)
class Place:
    """One call's. `whose`: of which provider; `reading` while its body is on its way."""

    whose: str = ""
    reading: asyncio.Timeout | None = None
    given_up: bool = False


class Places:
    """At most *most* of them. Used from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[Place, None] = {}  # in the order in which they came

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A place to the end of the block. Raises Full."""
        if len(self._taken) >= self._most:
            self._make_room()
        place = Place()
        self._taken[place] = None
        try:
            yield place
        finally:
            self._taken.pop(place, None)

    @contextlib.asynccontextmanager
    async def reading(self, place: Place, whose: str, within_s: float) -> AsyncIterator[None]:
        """Read a body in the block. Raises TimeoutError when it takes too long, Full."""
        place.whose = whose
        try:
            async with asyncio.timeout(within_s) as place.reading:
                yield
        except TimeoutError:
            if place.given_up:
                raise Full from None
            raise
        finally:
            place.reading = None

    def _make_room(self) -> None:
        slow = [place for place in self._taken if place.reading is not None]
        if not slow:
            raise Full
        many = Counter(place.whose for place in slow)
        place = max(slow, key=lambda place: many[place.whose])  # of equals the first
        if place.reading is not None:
            place.reading.reschedule(asyncio.get_running_loop().time())
        place.reading, place.given_up = None, True
        del self._taken[place]
