"""A request failed: an outage, our doing, or chance?

In a row, failures open the breaker. Otherwise `rejection` says whether they are our doing.
If so the limit goes below where they began; if it is unclear, the limit dips until it is
clear (a trial); if it goes on below as well, it was chance, and everything is taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.core.rejection import Cause

if TYPE_CHECKING:
    from ventil.core.parts import Parts
    from ventil.core.permit import Permit

HESITATE_AFTER = 3
HESITATE_S = 0.1
"""After so many failures in a row the next request waits for so long, or for a live answer:
what is in flight already tells whether it is an outage, and need not be joined by more."""


def overloaded(it: Parts, permit: Permit, now_s: float, why: str) -> None:
    """A failure may be an outage, our doing, or chance."""
    breaker, limit = it.breaker, it.limit
    threshold = 0
    if it.adaptive:
        threshold = int(min(20.0, limit.limit / 2))
    was_open = breaker.opened_s is not None
    if breaker.overloaded(now_s, permit.record, why, threshold=threshold):
        it.learner.interrupted()
        it.changes += 1
        if it.trial_of is not None:  # it was the outage that began
            it.trial_of = None
            limit.hold_down(1.0)
    elif it.adaptive and not was_open:
        if breaker.failures >= HESITATE_AFTER:
            it.hesitate_until_s = now_s + HESITATE_S
        n = permit.in_flight
        cause = it.rejections.rejected(n, permit.sent_s)
        if cause is Cause.OURS:
            below = n - 1 if limit.limit <= 16 else 0.8 * min(limit.limit, n)
            _lower(it, now_s, n, below, min(n - 1, 0.95 * n))
        elif cause is Cause.UNCLEAR and it.trial_of is None:
            it.trial_of = n
            limit.hold_down(0.7)
        if it.trial_of is not None:
            try_lower(it, now_s)
        elif it.blamed is not None and cause is not Cause.OURS and it.rejections.acquitted():
            limit.undo_lower(*it.blamed[2:])
            it.blamed = None


def _lower(it: Parts, now_s: float, n: int, limit: float, ceiling: float) -> None:
    """Rejections are our doing; how it was before is kept, should that prove wrong."""
    old = it.limit
    if it.blamed is None or now_s - it.blamed[1] > 60.0:
        it.blamed = (n, now_s, old.limit, old.ceiling, old.startup)
    old.lower(now_s, limit, ceiling)
    it.rejections.changed(now_s, n)


def try_lower(it: Parts, now_s: float) -> None:
    """A trial at a lower limit: are there fewer rejections? End it once that is clear."""
    n = it.trial_of
    if n is None:
        return
    cause = it.rejections.cause(n)
    if cause is Cause.UNCLEAR and it.limit.whole < 0.9 * n:
        return  # else the limit has risen meanwhile: no trial any more
    it.trial_of = None
    it.limit.hold_down(1.0)
    if cause is Cause.OURS:
        lower = min(n - 1, 0.95 * n)
        _lower(it, now_s, n, lower, lower)
