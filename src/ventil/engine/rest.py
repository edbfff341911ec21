"""How long a run rests while all that is left of it waits for later answers.

A run that has something else to do is not resting, however many of its records wait. One
that only waits goes on doing so within `--max-wait`, counted from its last answer, and is
suspended then: the records go on waiting without it, and the same command takes them up.
"""

from __future__ import annotations

from ventil.core.moment import clock_words
from ventil.engine.deferred import Deferrals
from ventil.errors import Suspended
from ventil.ports import Crowd


class Rest:
    """The rest of one run in one process; None for *deferrals*: it never rests.

    `under_way`: the queue takes chunks, so those that wait may be woken.
    """

    def __init__(self, deferrals: Deferrals | None, max_wait_s: float) -> None:
        self._deferrals = deferrals if deferrals is not None and deferrals.waits_here else None
        self._max_wait_s = max_wait_s
        self._since_s: float | None = None
        self._seen: object = None
        self._crowd = Crowd(0, None, False)
        self.under_way = False

    def begin(self) -> None:
        """The queue takes chunks from now on."""
        self.under_way = self._deferrals is not None

    def begun(self) -> bool:
        """Whether any record of the run waits."""
        return self._deferrals is not None and self._deferrals.crowd().count > 0

    def wake(self, now_s: float) -> int | None:
        """A new chunk of records to be looked at; None when there is none."""
        return None if self._deferrals is None else self._deferrals.wake(now_s)

    def too_long(self, now_s: float, answered: int) -> Suspended | None:
        """The ending of a run that has only waited for longer than anybody wants to."""
        if self._deferrals is None:
            return None
        self._crowd = crowd = self._deferrals.crowd()
        seen = (crowd.count, answered)
        if not crowd.count or not crowd.alone or seen != self._seen:
            self._since_s, self._seen = now_s, seen
        if self._since_s is None or now_s - self._since_s <= self._max_wait_s:
            return None
        return suspended(crowd, now_s, self._max_wait_s)

    def words(self, now_s: float) -> str | None:
        """What the run waits for, for a person."""
        return waits(self._crowd, now_s) if self._crowd.count else None


def waits(crowd: Crowd, now_s: float) -> str:
    """Who waits, and until when."""
    records = "1 record waits" if crowd.count == 1 else f"{crowd.count:,} records wait"
    until = "" if crowd.until_s is None else f", until {clock_words(crowd.until_s, now_s)}"
    return f"{records} for a later answer{until}"


def suspended(crowd: Crowd, now_s: float, max_wait_s: float) -> Suspended:
    """The ending of a run that only waits."""
    return Suspended(
        f"{waits(crowd, now_s)}; none has come for longer than --max-wait allows "
        f"({max_wait_s:g} s)",
        hint="`ventil serve` takes the answers meanwhile; the same command goes on from here",
    )
