"""Objectives: hold back when the provider suffers, even where it would let us go on.

The adaptive limit looks for as much as does good. That may still be more than is kind: an
API that answers in three seconds where it used to take half of one is serving us at the
cost of others. A user can state what is acceptable, a usual answer time and a share of
failures, and above it this part lowers a ceiling of its own, round by round::

      met twice in a row: ceiling x 1.25 + 1, at last none
     ┌────────────────────────────────────────────────────┐
     ▼                                                    │
    FREE ── not met ──► HELD: ceiling = 0.7 x what was in use, at least 1
                          └── not met at 1: rest between requests, 1, 2, 4 ... 60 s

A round is `ROUND` answers and at least one answer time, so a ceiling is judged by requests
that were sent under it. The usual answer time is the median: a few slow records are not a
provider out of breath. Without objectives nothing is ever held back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from statistics import median_high

ROUND = 12
"""Answers that make a round; fewer say little, more react late at one in flight."""

LOWER = 0.7
LONGEST_REST_S = 60.0


class Etiquette:
    """Mutable; told of every answer, asked for the ceiling and for the next time to send.

    `latency_s`: the objective for the median answer time, None for none. `error_share`:
    the objective for the share of failures (0 to 1), None for none. Bounds: `ceiling` is
    1 or more, infinite while nothing is held back; `rest_s` is 0 to `LONGEST_REST_S`.
    """

    __slots__ = (
        "_failed",
        "_good_rounds",
        "_latencies",
        "_most",
        "_since_s",
        "ceiling",
        "error_share",
        "latency_s",
        "next_s",
        "rest_s",
        "why",
    )

    def __init__(self, latency_s: float | None, error_share: float | None) -> None:
        self.latency_s = latency_s
        self.error_share = error_share
        self.ceiling = inf
        self.rest_s = 0.0
        self.next_s = -inf
        self.why = ""
        self._latencies: deque[float] = deque()
        self._failed = 0
        self._most = 0
        self._good_rounds = 0
        self._since_s = -inf

    @property
    def stated(self) -> bool:
        """Whether there is any objective."""
        return self.latency_s is not None or self.error_share is not None

    def answered(self, now_s: float, sent_s: float, *, failed: bool, in_flight: int) -> bool:
        """A request that was sent at *sent_s* with *in_flight* under way is over.

        Whether the ceiling or the rest changed. Those sent before the last change say
        nothing about it and are left out.
        """
        if self.rest_s:
            self.next_s = now_s + self.rest_s
        if sent_s < self._since_s:
            return False
        self._latencies.append(now_s - sent_s)
        self._failed += failed
        self._most = max(self._most, in_flight)
        if len(self._latencies) < ROUND:
            return False
        return self._judge(now_s)

    def _judge(self, now_s: float) -> bool:
        usual_s = median_high(self._latencies)
        share = self._failed / len(self._latencies)
        trouble = ""
        if self.latency_s is not None and usual_s > self.latency_s:
            trouble = f"answers take {usual_s:.2g} s, the objective is {self.latency_s:g} s"
        elif self.error_share is not None and share > self.error_share:
            trouble = (
                f"{share:.0%} of the answers fail, the objective is {self.error_share:.0%}"
            )
        most, self._most = self._most, 0
        self._latencies.clear()
        self._failed = 0
        if trouble:
            return self._hold(now_s, most, trouble, usual_s)
        if self.ceiling == inf:
            return False
        self._good_rounds += 1
        if self._good_rounds < 2:
            return False
        self._good_rounds = 0
        return self._let_go(now_s, most)

    def _hold(self, now_s: float, most: int, trouble: str, usual_s: float) -> bool:
        self._good_rounds = 0
        self.why = trouble
        if self.ceiling <= 1:
            self.rest_s = min(LONGEST_REST_S, max(1.0, 2 * self.rest_s))
            self.next_s = now_s + self.rest_s
        else:
            self.ceiling = max(1.0, float(int(LOWER * min(self.ceiling, max(1, most)))))
        self._since_s = now_s
        return True

    def _let_go(self, now_s: float, most: int) -> bool:
        self._since_s = now_s
        if self.rest_s:
            self.rest_s = 0.0 if self.rest_s <= 1.0 else self.rest_s / 2
        elif most < int(self.ceiling):
            self.ceiling, self.why = inf, ""  # something else holds us below it
        else:
            self.ceiling = 1.25 * self.ceiling + 1.0
        return True

    def snapshot(self) -> EtiquetteState | None:
        """What a restart goes on holding back; None when nothing is held back."""
        if self.ceiling == inf:
            return None
        next_s = self.next_s if self.rest_s else 0.0
        return EtiquetteState(self.ceiling, self.rest_s, next_s, self.why)

    def restore(self, state: EtiquetteState, *, shift_s: float, now_s: float) -> None:
        """Hold back as a former process did; times are moved by `shift_s`."""
        if not state.ceiling >= 1:
            return
        self.ceiling = state.ceiling
        self.rest_s = min(max(0.0, state.rest_s), LONGEST_REST_S)
        if self.rest_s:
            self.next_s = min(state.next_s + shift_s, now_s + self.rest_s)
        self.why = state.why
        self._since_s = now_s


@dataclass(frozen=True, slots=True)
class EtiquetteState:
    """Holding back as stored: at most `ceiling` in flight, `rest_s` between two."""

    ceiling: float
    rest_s: float = 0.0
    next_s: float = 0.0
    why: str = ""
