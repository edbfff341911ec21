"""The event loop that jobs run on: uvloop where there is one, asyncio's own elsewhere.

A request costs some 20 of 160 us less processor time on it (`python -m bench.cost`). uvloop
is not made for Windows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """As `asyncio.run`: run *main* to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    _hold_standard_streams()
    return uvloop.new_event_loop


def _hold_standard_streams() -> None:
    """Put the null device where a standard stream was closed.

    The next file opened would take its number, and libuv aborts the process rather than
    close one of these numbers.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
