"""Slots taken by requests that a pacer has not granted, and cannot know the end of.

They are those of a former pacer's grants: some are known by number, as their workers have told
of them; of the others it is known only how many there may be, and these get numbers below 0.
"""

from __future__ import annotations

from collections.abc import Iterator


class Strangers:
    """So many requests are under way, each until somebody tells or its time is over."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._whose: dict[int, str] = {}  # as far as that is known

    def add(self, number: int, until_s: float, worker: str | None = None) -> None:
        """The request of grant *number* is under way, until *until_s* at most."""
        self._until[number] = until_s
        if worker is not None:
            self._whose[number] = worker

    def reserve(self, count: int, until_s: float, worker: str | None = None) -> None:
        """Requests whose numbers nobody knows."""
        first = min(0, min(self._until, default=0)) - 1
        for number in range(first, first - count, -1):
            self.add(number, until_s, worker)

    def forget(self, number: int) -> None:
        """It has been told of."""
        self._until.pop(number, None)
        self._whose.pop(number, None)

    def told(self, worker: str) -> None:
        """*worker* has told of all its requests: what was reserved for it is free."""
        for number in [n for n, whose in self._whose.items() if n < 0 and whose == worker]:
            self.forget(number)

    def gone(self, worker: str, over_s: float) -> None:
        """*worker* will tell nothing; all its requests are over at *over_s*."""
        for number, whose in self._whose.items():
            if whose == worker:
                self._until[number] = min(self._until[number], over_s)

    def take_back(self, now_s: float) -> None:
        """Forget those that are surely over."""
        for number in [n for n, over_s in self._until.items() if over_s <= now_s]:
            self.forget(number)

    def __len__(self) -> int:
        return len(self._until)

    @property
    def asleep(self) -> int:
        """Slots reserved for workers that cannot say how many they need."""
        return sum(number < 0 for number in self._whose)

    @property
    def first_s(self) -> float | None:
        """When the first of them is over; None when there is none."""
        return min(self._until.values(), default=None)

    def holders(self) -> Iterator[str]:
        """The worker of each slot of which that is known."""
        return iter(self._whose.values())
