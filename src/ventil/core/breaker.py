"""The circuit breaker: stop asking a provider that is down, find out gently when it is back.

::

            `threshold` overloads in a row, or a stall
    CLOSED ────────────────────────────────────────────► OPEN ──┐ a probe fails:
      ▲                                                   │  ▲  │ wait longer
      └───────────────────────────────────────────────────┘  └──┘
              a probe sent since the opening is answered

There are no timers: what the breaker says follows from the `now_s` it is asked with.
While open, one real request at a time may go out as a probe, at 1, 2, 4, 8, 16, 30, 30 ...
seconds (or up to 15 % sooner). A probe that hangs does not hold up the next one: as many may
be out as fall due within one request timeout. (With as many as fit into it at the longest
interval, the early ones of a hang were all there were: half a minute of it, and the provider
was up again for another minute before anybody asked.) Every opening starts a generation;
replies to requests of an earlier one change nothing, so late answers are harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log, log2
from typing import TYPE_CHECKING

from ventil.core.backoff import probe_interval_s

if TYPE_CHECKING:
    from collections.abc import Hashable
    from random import Random

PROBE_JITTER = 0.15
SHORTEST_S = 1.0
"""The shortest time between two probes."""

_CHANCE_OF_FALSE_ALARM = 1e-6


class Breaker:
    """Mutable; asked and told by the governor with explicit times.

    `opened_s` is None while closed. `soft` tells a stall (nothing came back for too long)
    from failures in a row. `generation` grows with every opening.
    """

    __slots__ = (
        "_background",
        "_culprits",
        "_failures",
        "_probe_cap_s",
        "_random",
        "_threshold",
        "generation",
        "most_probes",
        "next_probe_s",
        "opened_s",
        "probes_out",
        "soft",
        "why",
    )

    def __init__(
        self, *, threshold: int, probe_cap_s: float, timeout_s: float, random: Random
    ) -> None:
        self._threshold = threshold
        self._probe_cap_s = probe_cap_s
        self._random = random
        early = ceil(log2(1.0 + min(timeout_s, probe_cap_s)))  # 1, 2, 4 ... s apart
        self.most_probes = early + ceil(timeout_s / probe_cap_s)
        self.opened_s: float | None = None
        self.next_probe_s = 0.0
        self.soft = False
        self.why = ""
        self.generation = 0
        self.probes_out = 0
        self._failures = 0  # in a row
        self._culprits: set[Hashable] = set()
        self._background = 0.0  # share of failures in quiet times, slow average

    @property
    def is_open(self) -> bool:
        """Whether only probes may go out."""
        return self.opened_s is not None

    @property
    def failures(self) -> int:
        """Overloads in a row, without a live answer between."""
        return self._failures

    def probe_from(self) -> float:
        """While open: when the next probe may go; math.inf until one of those out is back."""
        return inf if self.probes_out >= self.most_probes else self.next_probe_s

    def probe_sent(self, now_s: float) -> None:
        """A probe has gone out: the next one is due an interval later."""
        self.probes_out += 1
        self._schedule(now_s)

    def probe_back(self) -> None:
        """A probe of this generation is back, with whatever result."""
        self.probes_out = max(0, self.probes_out - 1)

    def probe_void(self, now_s: float) -> None:
        """It told nothing after all, so the next one need not wait for its turn."""
        self.next_probe_s = min(self.next_probe_s, now_s + SHORTEST_S)

    def live(self) -> bool:
        """The provider answered a request of this generation. Whether that closed it."""
        self._background *= 0.99
        if self._failures:
            self._failures = 0
            self._culprits.clear()
        if self.opened_s is None:
            return False
        self.opened_s = None
        self.probes_out = 0
        self.soft = False
        return True

    def overloaded(
        self, now_s: float, record: Hashable, why: str, *, threshold: int = 0
    ) -> bool:
        """A request of this generation failed. Whether that opened the breaker.

        Failures count by distinct `record`, so that one poison record does not speak for
        the provider; None is nobody's and always counts. Four times the threshold opens
        it whoever they were. `threshold` raises the policy's own.
        """
        self._failures += 1
        if self._failures == 1:
            self._background = 0.99 * self._background + 0.01
        if self.opened_s is not None:
            return False
        if record is not None and len(self._culprits) < 64:
            self._culprits.add(record)
        threshold = max(self._threshold, threshold, self._chance_threshold())
        distinct = len(self._culprits) if record is not None else self._failures
        if distinct < threshold and self._failures < 4 * threshold:
            return False
        self.open(now_s, why, soft=False)
        return True

    def open(self, now_s: float, why: str, *, soft: bool) -> None:
        """Open, for a reason seen here or elsewhere; the first probe is a second away."""
        self.generation += 1
        self.opened_s = now_s
        self.soft = soft
        self.why = why
        self.probes_out = 0
        self._schedule(now_s)

    def close(self) -> None:
        """Close without a probe: it turned out to be slowness, not an outage."""
        self.opened_s = None
        self.probes_out = 0
        self.soft = False
        self._failures = 0
        self._culprits.clear()

    def _schedule(self, now_s: float) -> None:
        since_s = 0.0 if self.opened_s is None else now_s - self.opened_s
        interval_s = probe_interval_s(since_s, self._probe_cap_s)
        # Sooner only, so that the cap is a cap: it is what the end of an outage waits for.
        self.next_probe_s = now_s + interval_s * (1.0 - PROBE_JITTER * self._random.random())

    def _chance_threshold(self) -> int:
        """Failures in a row that chance alone brings once in a million, at this provider."""
        share = min(self._background, 0.5)
        return ceil(log(_CHANCE_OF_FALSE_ALARM) / log(share)) if share > 0.06 else 0

    def snapshot(self) -> BreakerState:
        """What a restart has to honour."""
        return BreakerState(
            opened_s=self.opened_s,
            next_probe_s=self.next_probe_s if self.opened_s is not None else None,
            soft=self.soft,
            why=self.why,
            failures=self._failures,
        )

    def restore(self, state: BreakerState, *, shift_s: float, now_s: float) -> None:
        """Take over a former breaker, its times moved by `shift_s` and kept sane.

        A next probe further away than the longest interval allows (a clock was wrong) is
        brought back to it. A softly open one stays closed: the stalled requests are gone.
        """
        self._failures = max(0, min(state.failures, 1_000_000))
        if state.opened_s is None or state.soft:
            return
        self.generation += 1
        self.opened_s = min(state.opened_s + shift_s, now_s)
        self.why = state.why
        next_s = now_s if state.next_probe_s is None else state.next_probe_s + shift_s
        longest_s = self._probe_cap_s
        self.next_probe_s = min(next_s, now_s + longest_s)


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A breaker as stored. Times are seconds since the epoch; None while closed."""

    opened_s: float | None = None
    next_probe_s: float | None = None
    soft: bool = False
    why: str = ""
    failures: int = 0
