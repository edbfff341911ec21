"""For how long nothing has changed, as seen by one who looks again and again.

Somebody else's clock is not asked, and who was away cannot have seen a silence: after a gap
of `LONGEST_GAP_S` between two looks everything begins anew. So the first worker that is back
after an outage of the database does not take all the others for dead.
"""

from __future__ import annotations

from collections.abc import Container, Hashable

LONGEST_GAP_S = 2.0


class Silence:
    """Signs of many things, and since when each has not changed. Mutable."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Hashable, float, float]] = {}  # sign, since, last look

    def lasts_s(self, name: str, sign: Hashable, now_s: float) -> float:
        """Look at *name* and its *sign*; seconds since the sign was first seen as it is."""
        before = self._seen.get(name)
        since_s = now_s
        if before is not None and before[0] == sign and now_s - before[2] <= LONGEST_GAP_S:
            since_s = before[1]
        self._seen[name] = (sign, since_s, now_s)
        return now_s - since_s

    def forget(self, *, keep: Container[str]) -> None:
        """Forget all but these."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in keep}
