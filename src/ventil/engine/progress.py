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
        counts, done = self.counts, self.done
        last, word = None, ""  # nearly all have the same status
        for sample in samples:
            status = sample.status
            if done and (before := done.pop(sample.key, None)) is not None:
                counts[before] -= 1
            if status is not last:
                last, word = status, status.value
            counts[word] = counts.get(word, 0) + 1
            if not status.settles:
                done[sample.key] = word

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
