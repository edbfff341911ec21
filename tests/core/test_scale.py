"""How many slots could be used: what the provider takes, and what there is to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ventil.core.condition import Condition
from ventil.core.scale import BATCH_SHARE, INTERACTIVE_SHARE, Scale, takes, usable

WELL = Condition(
    words="",
    in_flight=0,
    limit=20,
    breaker="closed",
    next_probe_s=None,
    gate_until_s=None,
    sent=0,
    verdicts={},
    base_s=0.2,
)


@pytest.mark.parametrize(
    ("condition", "rate", "most"),
    [
        (WELL, None, 20),  # the limit on requests in flight
        (WELL, 10.0, 2),  # two are in flight at ten a second, of a fifth of a second each
        (WELL, 0.45, 1),
        (WELL, 1000.0, 20),
        (replace(WELL, learned_rate=30.0), 1000.0, 6),
        (replace(WELL, base_s=None), 0.45, 20),  # not known yet
        (replace(WELL, breaker="open"), None, 1),  # a probe
        (replace(WELL, gate_until_s=9.0), None, 0),
    ],
)
def test_what_a_provider_takes(condition: Condition, rate: float | None, most: int) -> None:
    """The limit, or what its quota lets out in the time of an answer; nothing while shut."""
    assert takes(condition, rate, shut=False) == most
    assert takes(condition, rate, shut=True) == 0


def test_an_empty_backlog_wants_no_slots() -> None:
    """However much the provider would take."""
    assert usable(20, 0) == 0
    assert usable(20, 3) == 3
    assert Scale(used=0, slots=0, workers=0, usable=0).slots_for(BATCH_SHARE) == 0


def test_slots_for_a_share() -> None:
    """As many as leave the share in use; 12 of 20 are 60 %, 9 of 10 are 90 %."""
    assert Scale(used=0, slots=40, workers=4, usable=12).slots_for(INTERACTIVE_SHARE) == 20
    assert Scale(used=0, slots=40, workers=4, usable=9).slots_for(BATCH_SHARE) == 10
    assert Scale(used=0, slots=40, workers=4, usable=10).slots_for(BATCH_SHARE) == 12
    assert Scale(used=0, slots=40, workers=4, usable=10).utilisation == 0.25
