"""Another policy for a governor at work: what a person tightens, or takes back, at run time.

What was learned stays, and so do the requests in flight; should more be in flight than may
be, nothing goes out until enough have come back. A window that is new counts what the logs of
the others tell of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.core.caution import Caution, window_for

if TYPE_CHECKING:
    from ventil.core.parts import Parts
    from ventil.core.policy import Policy


def retune(it: Parts, policy: Policy, now_s: float) -> None:
    """Let *policy* hold from now on, for quotas, requests in flight, cooldown and hours.

    Objectives and the times of the breaker stay as they were.
    """
    now_s = max(now_s, it.now_s)
    it.uses.change(policy.quotas, now_s)
    it.adaptive = policy.adaptive and policy.max_in_flight > 1
    it.limit.bound(policy.max_in_flight)
    if not it.adaptive:
        it.limit.limit = float(policy.max_in_flight)
    it.gate.cooldown(policy.cooldown_s)
    window_s = window_for(policy.cooldown_s, policy.quotas)
    lesson = None if it.caution is None else it.caution.snapshot()
    it.caution = None
    if policy.cooldown_s is not None and window_s is not None:
        it.caution = Caution(window_s, policy.cooldown_s)
        if lesson is not None:
            it.caution.restore(lesson, shift_s=0.0, now_s=now_s)
    it.open_until_s = float("-inf")  # the hours are looked at again
    it.policy = policy
    it.changes += 1
