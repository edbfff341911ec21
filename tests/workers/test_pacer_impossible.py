"""A request that is heavier than a quota is no reason for anybody else to wait."""

from __future__ import annotations

from ventil.core.governor import Governor, Policy, Quota
from ventil.core.pacer import Pacer


def test_a_request_heavier_than_a_quota_holds_up_nobody() -> None:
    """The others get their grants; why it gets none is said."""
    quotas = (Quota.parse("5/10s"),)
    policy = Policy(quotas=quotas, max_in_flight=9, adaptive=False, timeout_s=5.0)
    pacer = Pacer(Governor(policy, 0.0), 0.0)
    pacer.wanted("w", "heavy", (6, False), 1)
    pacer.wanted("w", "light", (1, False), 2)
    assert [grant.run for grant in pacer.grants(0.0)] == ["light", "light"]
    assert pacer.wait is not None
    assert "weight 6 never fits" in pacer.wait.detail
    assert pacer.waiting == 0
