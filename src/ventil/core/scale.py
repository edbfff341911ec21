"""How many slots could be used now: what an autoscaler wants to know.

A slot works on one chunk, with one request in flight at the least. So of all slots no more can
be used than requests may be in flight, nor than there are chunks to work on. And no more
requests come to be in flight than a quota lets out in the time of an answer (Little's law).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ventil.core.condition import Condition

INTERACTIVE_SHARE = 0.6
BATCH_SHARE = 0.9
"""How much of the slots should be in use: room for what comes suddenly, or hardly any."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Slots for one provider: `used` now, of so many `slots` at `workers`; `usable` now."""

    used: int
    slots: int
    workers: int
    usable: int

    @property
    def utilisation(self) -> float | None:
        """Share of the slots that could be used now; None while there are none."""
        return self.usable / self.slots if self.slots else None

    def slots_for(self, share: float) -> int:
        """Slots of which that *share* would be in use; 0 when there is nothing to do."""
        return ceil(self.usable / share - 1e-9)


def takes(condition: Condition, rate: float | None, *, shut: bool) -> int:
    """Requests that the provider takes at once as things stand.

    *rate*: requests per second under its quotas, None when it has none. *shut*: a person has
    paused it, or it is not its hour.
    """
    if shut or condition.gate_until_s is not None:
        return 0
    if condition.breaker != "closed":
        return 1  # a probe
    rates = [known for known in (rate, condition.learned_rate) if known is not None]
    if not rates or condition.base_s is None:
        return condition.limit
    return min(condition.limit, max(1, ceil(min(rates) * condition.base_s)))


def usable(takes: int, due: int) -> int:
    """Slots that could be used now, with *due* chunks to work on, under way or not."""
    return min(takes, due)
