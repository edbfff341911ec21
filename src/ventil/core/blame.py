"""Whose fault is a failing answer: the provider's, a chunk's or a record's?

An outage and a catalogue with broken records look alike at first: 500 upon 500. The breaker
must open for the one and not for the other, or a handful of records that will never answer
hold up all that would. What tells them apart is who *else* was answered:

- a record that failed `TWICE`, and fails again although the provider has answered others
  since, fails by itself;
- so does a whole chunk of which `IN_A_ROW` different records failed, and none was answered,
  while `OTHERS` answers came for other chunks.

Such failures are no evidence against the provider. Only *answers* that fail are looked at
here: a refused connection is never a record's fault.

When nothing else is left to be answered, nothing can be told apart. Then a chunk of which
every record has failed in an earlier attempt already is `hopeless` once `HOPELESS` of them
in a row have failed again: to wait for them as for an outage would be to wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

TWICE = 2
"""Failures of a record that may be chance, or our own haste."""

IN_A_ROW = 5
"""Different records of a chunk in a row, until it may be the chunk."""

OTHERS = 2
"""Answers for other chunks meanwhile, until it is the chunk."""

HOPELESS = 6
"""Failures in a row of a chunk that has failed before, until it is left at that."""


@dataclass(slots=True)
class _Streak:
    """A chunk's failures since it was last answered; `answers`: the provider's by then.

    `unclear` are those of its records that may have failed by the provider's fault.
    """

    answers: int
    records: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)


class Blame:
    """What the answers of one provider in one run tell; records are named by their key."""

    def __init__(self) -> None:
        self._answers = 0
        self._failed: dict[str, tuple[int, int]] = {}  # times, answers by the first time
        self._streaks: dict[int, _Streak] = {}
        self._failed_before: set[int] = set()

    def failed_before(self, chunk: int, records: Iterable[str] = ()) -> None:
        """Every record of *chunk* has failed in an earlier attempt.

        *records* are those of them that did so time and again while others were answered.
        """
        self._failed_before.add(chunk)
        for record in records:
            self._failed[record] = (TWICE, self._answers - 1)

    def answered(self, chunk: int, record: str) -> None:
        """The provider gave a definitive answer for *record*."""
        self._answers += 1
        self._failed.pop(record, None)
        self._streaks.pop(chunk, None)

    def failed(self, chunk: int, record: str) -> bool:
        """An answer for *record* failed. Whether that is its own, or its chunk's, fault."""
        streak = self._streaks.get(chunk)
        if streak is None:
            streak = self._streaks[chunk] = _Streak(self._answers)
        streak.records.add(record)
        times, answers = self._failed.get(record, (0, self._answers))
        self._failed[record] = (times + 1, answers)
        own = (times >= TWICE and self._answers > answers) or (
            len(streak.records) >= IN_A_ROW and self._answers >= streak.answers + OTHERS
        )
        if not own:
            streak.unclear.add(record)
        return own

    def in_a_row(self, chunk: int) -> int:
        """How many different records of *chunk* failed since one was answered."""
        streak = self._streaks.get(chunk)
        return 0 if streak is None else len(streak.records)

    def hopeless(self, chunk: int) -> bool:
        """Whether *chunk* has failed before and goes on failing, with no end in sight."""
        streak = self._streaks.get(chunk)
        return (
            chunk in self._failed_before
            and streak is not None
            and len(streak.unclear) >= HOPELESS
        )
