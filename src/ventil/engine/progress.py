"""How far a run is: answered records by status, and how fast."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ventil.core.model import Sample

_RATE_WINDOW_S = 30.0


@dataclass(slots=True)
class Progress:
    """What has been answered so far; `recent` holds (time, records done) of the last while."""

    total: int
    done: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, samples: Iterable[Sample]) -> None:
        """Count samples that are stored."""
        for sample in samples:
            before = self.done.get(sample.key)
            status = sample.status.value
            if before is not None:
                self.counts[before] -= 1
            self.counts[status] = self.counts.get(status, 0) + 1
            if sample.status.settles:
                self.done.pop(sample.key, None)
            else:
                self.done[sample.key] = status

    @property
    def answered(self) -> int:
        """Records that have been answered, in whatever way."""
        return self.settled + sum(self.counts.values())

    def rate(self, now_s: float) -> float:
        """Records a second over the last half minute."""
        recent = self.recent
        recent.append((now_s, self.answered))
        while len(recent) > 2 and now_s - recent[0][0] > _RATE_WINDOW_S:
            recent.popleft()
        elapsed_s = now_s - recent[0][0]
        return (recent[-1][1] - recent[0][1]) / elapsed_s if elapsed_s > 0 else 0.0
