"""What is set at run time tightens the settings, and loosens them with permission alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ventil.config.load import ProviderSettings
from ventil.config.tightened import changed, tightened
from ventil.core.quota import Quota
from ventil.errors import SettingError

SETTINGS = ProviderSettings(
    name="p",
    base_url="https://api.example.org",
    quotas=(Quota.parse("2/s"), Quota.parse("1000/h")),
    max_in_flight=4,
    cooldown_s=60.0,
    timeout_s=30.0,
    maintenance=("Sun 02:00-04:00 UTC",),
)


def quotas(settings: ProviderSettings) -> list[str]:
    """As they are written."""
    return [str(quota) for quota in settings.quotas]


def test_what_is_set_holds_besides() -> None:
    """Quotas, hours: all of them; in flight: the smaller; cooldown: the longer."""
    stored = changed(
        None,
        [
            "quotas=1/s, 100/min",
            "max_in_flight=2",
            "cooldown=5m",
            "maintenance=Mon 01:00-02:00 UTC",
        ],
        [],
        SETTINGS,
    )
    found = tightened(SETTINGS, stored)
    assert quotas(found) == ["2/s", "1000/h", "1/s", "100/min"]
    assert (found.max_in_flight, found.cooldown_s) == (2, 300.0)
    assert found.maintenance == ("Sun 02:00-04:00 UTC", "Mon 01:00-02:00 UTC")
    tighter = replace(SETTINGS, max_in_flight=1, cooldown_s=3600.0)  # the settings change later
    assert tightened(tighter, stored).max_in_flight == 1
    assert tightened(tighter, stored).cooldown_s == 3600.0


@pytest.mark.parametrize(
    "pair",
    ["quotas=3/s", "quotas=1/s,2000/h", "max_in_flight=5", "cooldown=59s", "cooldown=0s"],
)
def test_nothing_is_loosened(pair: str) -> None:
    """Without permission; with it, or on loopback, it takes the place of the settings."""
    with pytest.raises(SettingError) as caught:
        changed(None, [pair], [], SETTINGS)
    assert "i_have_permission = true" in str(caught.value.hint)
    for settings in (
        replace(SETTINGS, i_have_permission=True),
        replace(SETTINGS, loopback=True),
    ):
        stored = changed(None, [pair], [], settings)
        assert tightened(settings, stored) != settings
        # Whoever has no permission in his settings is not loosened by what stands there.
        held = tightened(SETTINGS, stored)
        assert set(SETTINGS.quotas) <= set(held.quotas)
        assert held.max_in_flight <= 4
        assert (held.cooldown_s or 0) >= 60.0


@pytest.mark.parametrize(
    ("pairs", "unset", "words"),
    [
        (["max_in_flight"], [], "not KEY=VALUE"),
        (["max_in_flight=0"], [], "at least 1"),
        (["max_in_flight=many"], [], "whole number"),
        (["quotas=lots"], [], "wrong part"),
        (["cooldown=-1s"], [], "cooldown"),
        (["maintenance=never"], [], "wrong part"),
        (["base_url=http://127.0.0.1"], [], "cannot be set at run time"),
        (["i_have_permission=true"], [], "cannot be set at run time"),
        ([], ["timeout"], "cannot be set at run time"),
    ],
)
def test_bad_input(pairs: list[str], unset: list[str], words: str) -> None:
    """Says which, and what would do."""
    with pytest.raises(SettingError, match=words):
        changed(None, pairs, unset, SETTINGS)


def test_keys_are_set_and_unset_one_by_one() -> None:
    """What is not named stays; with the last one nothing is stored."""
    stored = changed(None, ["max_in_flight=2"], [], SETTINGS)
    stored = changed(stored, ["quotas=1/s"], [], SETTINGS)
    stored = changed(stored, ["max_in_flight=1"], [], SETTINGS)
    assert tightened(SETTINGS, stored).max_in_flight == 1
    stored = changed(stored, [], ["max_in_flight"], SETTINGS)
    assert tightened(SETTINGS, stored).max_in_flight == 4
    assert quotas(tightened(SETTINGS, stored)) == ["2/s", "1000/h", "1/s"]
    assert changed(stored, [], ["quotas"], SETTINGS) is None


@pytest.mark.parametrize("stored", ["", "no JSON", "[]", '{"quotas": 7}', '{"quotas": "x"}'])
def test_what_cannot_be_read_changes_nothing(stored: str) -> None:
    """The settings hold."""
    assert tightened(SETTINGS, stored) == SETTINGS
