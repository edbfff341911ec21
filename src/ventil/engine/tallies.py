"""What a run has asked and waited for, per provider, over all its starts.

As JSON in `Run.tallies`::

    {"requests": {"sent", "ok", "throttled", "failed"},      of all providers together
     "waits_s": {reason: seconds},
     "providers": {name: {"requests": {...}, "waits_s": {...}}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ventil.engine.door import Requests


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests to one provider, or to all of them, and what the waiting was for."""

    requests: Requests = field(default_factory=Requests)
    waits_s: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Tally:
        """What `as_json` gave."""
        return cls(Requests(**stored.get("requests", {})), stored.get("waits_s", {}))

    def __add__(self, other: Tally) -> Tally:
        a, b = self.requests, other.requests
        total = Requests(
            a.sent + b.sent, a.ok + b.ok, a.throttled + b.throttled, a.failed + b.failed
        )
        reasons = {*self.waits_s, *other.waits_s}
        return Tally(
            total,
            {
                r: round(self.waits_s.get(r, 0.0) + other.waits_s.get(r, 0.0), 3)
                for r in sorted(reasons)
            },
        )

    def as_json(self) -> dict[str, Any]:
        """For `Run.tallies`."""
        return {"requests": asdict(self.requests), "waits_s": dict(self.waits_s)}


def added(
    stored: Mapping[str, Any], now: Mapping[str, Tally], own_waits_s: Mapping[str, float]
) -> dict[str, Any]:
    """*stored*, as it was before this start, and what this start did since.

    *own_waits_s* is time that was lost to no provider.
    """
    before: Mapping[str, Any] = stored.get("providers", {})
    names = dict.fromkeys((*now, *before))
    each = {name: Tally.of(before.get(name, {})) + now.get(name, Tally()) for name in names}
    total = Tally.of(stored) + _sum((*now.values(), Tally(waits_s=own_waits_s)))
    return {
        **total.as_json(),
        "providers": {name: tally.as_json() for name, tally in each.items()},
    }


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total += tally
    return total
