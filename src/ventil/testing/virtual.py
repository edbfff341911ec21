"""Virtual time: an event loop in which waiting takes no time, and a clock that follows it.

When nothing is ready the loop's time jumps to the next timer, so a test of an hour's
cooldown takes a millisecond and runs the same each time. When nothing is ready and no
timer is set, nothing will ever happen: that is an error here, not a hang. Threads,
processes and sockets do not live in virtual time; do without them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

EPOCH_S = 1_763_683_200.0
"""2025-11-21 00:00:00 UTC, where a `FakeClock` starts."""

_DAY_S = 86_400.0


class Deadlock(RuntimeError):
    """Every task waits, and no timer will ever wake one."""


class _JumpingSelector(selectors.SelectSelector):
    """Never blocks: a wait for a timer moves `time_s` instead."""

    def __init__(self, most_s: float) -> None:
        super().__init__()
        self.time_s = 0.0
        self._most_s = most_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Deadlock("every task waits, and no timer is set")
        self.time_s += timeout
        if self.time_s > self._most_s:
            raise TimeoutError(f"more than {self._most_s:g} s of virtual time have passed")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which starts at 0.0 seconds.

    Raises TimeoutError from `run_*` when *most_s* seconds have passed, `Deadlock` when
    nothing can happen any more.
    """

    def __init__(self, *, most_s: float = _DAY_S) -> None:
        self._jumping = _JumpingSelector(most_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.time_s


def run_virtual(story: Coroutine[Any, Any, _T], *, most_s: float = _DAY_S) -> _T:
    """Run *story* to its end in a `VirtualLoop` of its own; what it returns."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(most_s=most_s)) as runner:
        return runner.run(story)


class FakeClock:
    """The `Clock` port on the running loop's time: `start_s` when the loop starts.

    Outside a loop it stands at `start_s`, in seconds since the epoch.
    """

    def __init__(self, start_s: float = EPOCH_S) -> None:
        self.start_s = start_s

    def now_s(self) -> float:
        """Seconds since the epoch, UTC."""
        try:
            return self.start_s + asyncio.get_running_loop().time()
        except RuntimeError:  # no loop runs
            return self.start_s
