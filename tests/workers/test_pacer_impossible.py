"""A request that is heavier than a quota ends its run, and holds up nobody else."""

from __future__ import annotations

import pytest

from ventil.adapters.pacing_words import never_words
from ventil.core.governor import Governor, Policy, Quota
from ventil.core.lease import Leases
from ventil.core.pacer import Pacer
from ventil.core.quota import QuotaImpossible


def test_a_request_heavier_than_a_quota_holds_up_nobody() -> None:
    """The others get their grants; each worker that wants it is told why it gets none, once."""
    quotas = (Quota.parse("5/10s"),)
    policy = Policy(quotas=quotas, max_in_flight=9, adaptive=False, timeout_s=5.0)
    pacer = Pacer(Governor(policy, 0.0), 0.0)
    pacer.wanted("w", "heavy", (6, False), 1)
    pacer.wanted("v", "heavy", (6, False), 3)
    pacer.wanted("w", "light", (1, False), 2)
    assert [grant.run for grant in pacer.grants(0.0)] == ["light", "light"]
    assert (pacer.wait, pacer.waiting) == (None, 0)
    why = "a request of weight 6 never fits into the quota 5/10s"
    assert pacer.take_nevers() == {"w": {"heavy": why}, "v": {"heavy": why}}
    assert pacer.take_nevers() == {}


def test_the_word_of_it_ends_the_run_and_no_other() -> None:
    """Its gate is woken to hear of it; a run that begins anew asks anew."""
    leases, woken = Leases(), list[str]()
    heavy, light = leases.governor("heavy"), leases.governor("light")
    leases.on_grant("heavy", lambda: woken.append("heavy"))
    leases.on_grant("light", lambda: woken.append("light"))
    heavy.admit(0.0, weight=6)
    [word] = never_words({"heavy": "too heavy " * 100})
    for run, why in word["n"]:
        leases.never(run, why)
    assert woken == ["heavy"]
    with pytest.raises(QuotaImpossible, match="too heavy"):
        heavy.admit(0.0, weight=6)
    light.admit(0.0)
    leases.finished("heavy")
    leases.governor("heavy").admit(1.0, weight=6)
