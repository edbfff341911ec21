"""The steady clock: UTC at the start of the process plus elapsed monotonic time."""

from __future__ import annotations

import time
from functools import partial


class SteadyClock:
    """Seconds since the epoch that never jump while the process lives.

    A step of the wall clock (NTP, a person) during a run changes neither quotas nor
    cooldowns. Elapsed time counts suspend where the system offers such a clock, so that
    a laptop that slept for an hour finds its one-hour cooldown over.
    """

    def __init__(self, *, ahead_s: float = 0.0) -> None:
        """`ahead_s` shifts the clock: the demo runs a job as of yesterday."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        self._elapsed = (
            time.monotonic if boottime is None else partial(time.clock_gettime, boottime)
        )
        self._offset_s = time.time() + ahead_s - self._elapsed()

    def now_s(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._elapsed() + self._offset_s
