"""Which runs of one provider a worker works on, and with how many chunks each.

A worker has so many slots for a provider, each for one chunk, however many runs there are:
that bounds its memory, and no provider has another's slots. The runs that hold a place divide
the slots evenly. When there are more runs than slots, they take turns: who has held a place
for `TURN_S` gives it to who has waited longest, and waits behind the others. So of n runs on
s slots each has a place again within n / s turns, and none starves.

*Urgent* runs, for which a person waits, go first, and need not wait for the end of a turn; but
every fourth place goes to the others while they wait. For permits it is the same rule.

What goes out to the provider is no matter of places: permits are shared among runs by the one
who grants them (`pacer`, `engine.line`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TURN_S = 15.0
"""How long a run holds a place at least, when others wait for one."""

BRIEF_TURN_S = 5.0
"""The same, when an urgent one waits and this one is not."""

URGENT_IN_A_ROW = 3
"""So many places or permits go to urgent runs before one goes to the others."""


@dataclass(slots=True)
class _Place:
    since_s: float
    urgent: bool
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done now: runs to begin with, and runs to stop for the sake of others."""

    begin: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


class Places:
    """The places for the runs of one provider in one worker: as many as *slots*, 1 or more."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._held: dict[str, _Place] = {}
        self._line: dict[str, bool] = {}  # run: urgent; who waits, the longest first
        self._in_a_row = 0

    def turn(self, now_s: float, runs: Mapping[str, bool]) -> Turn:
        """Give places to *runs* (run: urgent) with work that nobody does, in their order.

        Who is to end holds its place until `over` is told.
        """
        for run in [run for run in self._line if run not in runs]:
            del self._line[run]
        for run, urgent in runs.items():
            if run not in self._held:
                self._line.setdefault(run, urgent)
        begin: list[str] = []
        while len(self._held) < self._slots and self._line:
            run = self._next()
            urgent = self._line.pop(run)
            self._in_a_row = self._in_a_row + 1 if urgent else 0
            self._held[run] = _Place(now_s, urgent)
            begin.append(run)
        return Turn(tuple(begin), tuple(self._to_end(now_s)))

    def _next(self) -> str:
        """Who has waited longest: of the urgent, unless enough of these went in a row."""
        urgent = next((run for run, urgent in self._line.items() if urgent), None)
        other = next((run for run, urgent in self._line.items() if not urgent), None)
        if urgent is None or (other is not None and self._in_a_row >= URGENT_IN_A_ROW):
            assert other is not None  # noqa: S101 - somebody waits
            return other
        return urgent

    def _to_end(self, now_s: float) -> list[str]:
        """Who gives up a place for those who wait and have none coming."""
        coming = sum(place.ending for place in self._held.values())
        urgent = sum(self._line.values()) - coming
        waiting = len(self._line) - coming
        end: list[str] = []
        for run, place in sorted(self._held.items(), key=lambda item: item[1].since_s):
            if waiting <= 0:
                break
            turn_s = BRIEF_TURN_S if urgent > 0 and not place.urgent else TURN_S
            if not place.ending and now_s - place.since_s >= turn_s:
                place.ending = True
                end.append(run)
                waiting -= 1
                urgent -= 1
        return end

    def clear(self) -> tuple[str, ...]:
        """Nobody may hold a place any more: who is to end for that, and was not told to yet."""
        self._line.clear()
        end = tuple(run for run, place in self._held.items() if not place.ending)
        for run in end:
            self._held[run].ending = True
        return end

    def over(self, run: str) -> None:
        """*run* gave its place back: it is over, or was stopped."""
        self._held.pop(run, None)

    def share(self, run: str) -> int:
        """How many chunks of *run* may be worked on at once; 0 when it holds no place.

        And 0 when it is to give its place up: it begins with nothing more.
        """
        if run not in self._held or self._held[run].ending:
            return 0
        each, more = divmod(self._slots, len(self._held))
        return each + ([*self._held].index(run) < more)
