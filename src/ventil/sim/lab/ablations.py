"""Ventil's governor with one of its parts taken out, to see what that part is for.

They reach into the governor, as nothing else may.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ventil.core.governor import Governor, Policy
from ventil.core.limit import AdaptiveLimit
from ventil.core.stall import StallWatch
from ventil.sim.lab.governed import Governed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ventil.core.cohort import Cohort

_NEVER = 10**9


class _BlindLimit(AdaptiveLimit):
    """Sees no delay: every cohort looks as quick as the floor."""

    def _judge(self, now_s: float, cohort: Cohort, value_s: float, error_s: float) -> None:
        super()._judge(now_s, cohort, self.base_s or value_s, 0.0)


class _PatientWatch(StallWatch):
    """Waits for answers for ever."""

    def due(self, in_flight: int, throughput: float) -> float:
        return math.inf


class WithoutDelay(Governed):
    """The limit grows until it is refused."""

    def begin(self, now_s: float) -> Governor:
        """With a blind limit."""
        governor = super().begin(now_s)
        governor.parts.limit = _BlindLimit(
            floor=self.policy.min_in_flight, most=self.policy.max_in_flight
        )
        return governor


class WithoutBreaker(Governed):
    """Neither failures in a row nor silence make it stop."""

    def __init__(self, seed: int) -> None:
        super().__init__(Policy(breaker_threshold=_NEVER), seed=seed)

    def begin(self, now_s: float) -> Governor:
        """With endless patience."""
        governor = super().begin(now_s)
        governor.parts.stall = _PatientWatch(self.epoch_s + now_s)
        return governor


ABLATIONS: dict[str, Callable[[int], Governed]] = {
    "no-delay-signal": lambda seed: WithoutDelay(seed=seed),
    "no-breaker": WithoutBreaker,
    "no-retry-budget": lambda seed: Governed(Policy(retry_share=1.0), seed=seed),
}
"""Makers by name."""
