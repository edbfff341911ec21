"""What a pacer says it will not exceed before it stores its state again.

Whoever paces next asks the others what they have under way. One that does not answer, as it is
stopped or cut off, may have what the former pacer has granted it: what the stored state says,
and what was granted since. So with its state a pacer stores for each worker how many slots that
may become, and stores a new state before it lets out a grant beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping

SPARE = 2
"""Slots that a worker may come to hold of which no promise speaks."""


def promised(held: Mapping[str, int]) -> dict[str, int]:
    """The most that each worker may come to hold, from what it *held* when that was stored."""
    return {worker: count + max(SPARE, count // 4) for worker, count in held.items()}


def most_held(promises: Mapping[str, int], worker: str) -> int:
    """The most that *worker* may hold."""
    return promises.get(worker, SPARE)


def kept(promises: Mapping[str, int], held: Mapping[str, int]) -> bool:
    """Whether nobody holds more than was promised."""
    return all(count <= promises.get(worker, SPARE) for worker, count in held.items())
