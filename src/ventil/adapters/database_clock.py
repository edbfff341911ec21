"""The database's time, read once in a while and kept in between.

Many workers count in one time, whatever their machines' clocks say. A reading is off by at
most half of the time it took; the best of the latest readings counts, so a slow one does no
harm, and a clock that the server's administrator sets is followed within a minute or two.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial

_READINGS = 128

GOOD_S = 0.002
"""A reading that is off by no more need not be bettered at once."""

_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def _steady() -> Callable[[], float]:
    """Seconds that go on while the machine is suspended, where there are such.

    Else who wakes up takes what was granted before for fresh.
    """
    return time.monotonic if _BOOT_TIME is None else partial(time.clock_gettime, _BOOT_TIME)


class DatabaseClock:
    """The `Clock` port on a database's time. Never goes backwards."""

    def __init__(self) -> None:
        self._elapsed = _steady()
        self._readings: deque[tuple[float, float]] = deque(maxlen=_READINGS)  # error, offset
        self._offset_s = 0.0
        self.error_s = float("inf")
        """By how much it may be off."""
        self._latest_s = float("-inf")

    def elapsed_s(self) -> float:
        """This machine's steady seconds, to be read before and after the database's time."""
        return self._elapsed()

    def read(self, before_s: float, database_s: float, after_s: float) -> None:
        """The database said *database_s* between two moments of this machine."""
        offset_s = database_s - (before_s + after_s) / 2
        error_s = (after_s - before_s) / 2
        if any(abs(offset_s - o) > error_s + e + 1.0 for e, o in self._readings):
            self._readings.clear()  # one of the two clocks was set
        self._readings.append((error_s, offset_s))
        self.error_s, self._offset_s = min(self._readings)

    def now_s(self) -> float:
        """Seconds since the epoch, UTC, by the database."""
        self._latest_s = max(self._latest_s, self._elapsed() + self._offset_s)
        return self._latest_s
