"""Quotas: their texts, their windows, restarts."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest

from ventil.core.quota import BadQuota, Quota, QuotaImpossible, Window, Windows


@pytest.mark.parametrize(
    ("text", "limit", "window_s", "back"),
    [
        ("0.45/s", 0.45, 1.0, "0.45/s"),
        ("30/min", 30.0, 60.0, "30/min"),
        ("5000/h", 5000.0, 3600.0, "5000/h"),
        ("5000000/30d", 5_000_000.0, 2_592_000.0, "5000000/30d"),
        (" 100 / 10 s ", 100.0, 10.0, "100/10s"),
        ("5 per 2 seconds", 5.0, 2.0, "5/2s"),
        ("3/500ms", 3.0, 0.5, "3/0.5s"),
    ],
)
def test_texts(text: str, limit: float, window_s: float, back: str) -> None:
    """A quota is a number, a slash and a time, and prints back as one."""
    quota = Quota.parse(text)
    assert (quota.limit, quota.window_s, str(quota)) == (limit, window_s, back)
    assert Quota.parse(str(quota)) == quota


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "/s", "5/fortnight", "0/s", "5/0s", "-1/s", "inf/s", "1/s/s"]
)
def test_bad_texts_are_named(text: str) -> None:
    """The error repeats the text that is no quota."""
    with pytest.raises(BadQuota, match="is not a quota") as caught:
        Quota.parse(text)
    assert repr(text) in str(caught.value)


def fill(windows: Windows, now_s: float, end_s: float, weight: int = 1) -> list[float]:
    """Send greedily from `now_s` to `end_s`; the times of sending."""
    sent: list[float] = []
    while True:
        now_s, _ = windows.free_from(now_s, weight)
        if now_s >= end_s:
            return sent
        windows.take(now_s, weight)
        sent.append(now_s)


def test_a_limit_below_one_is_spaced() -> None:
    """0.45/s is one request in 2.22 s, and a little."""
    sent = fill(Windows([Quota.parse("0.45/s")]), 0.0, 100.0)
    gaps = [b - a for a, b in pairwise(sent)]
    assert min(gaps) >= 1 / 0.45
    assert max(gaps) <= 1 / 0.45 * 1.011


@pytest.mark.parametrize("text", ["5/s", "30/min", "5000/h", "20000/h", "10/10s", "3000/s"])
def test_nearly_all_of_a_quota_is_used(text: str) -> None:
    """At least 97 % of what the windows allow can be sent."""
    quota = Quota.parse(text)
    spans = 20
    sent = fill(Windows([quota]), 0.0, spans * quota.window_s)
    assert 0.97 * spans * quota.limit <= len(sent) <= (spans + 1) * quota.limit


def test_memory_is_bounded() -> None:
    """Five million a month are kept in a few hundred slices."""
    quota = Quota.parse("5000000/30d")
    window = Window(quota)
    for day in range(30):
        for i in range(2000):
            now_s = day * 86400 + i * 43.2
            if window.free_from(now_s, 80) <= now_s:
                window.take(now_s, 80)
    assert len(window.entries()) <= 260


def test_a_request_that_never_fits_is_an_error() -> None:
    """No wait would do, so none is named."""
    with pytest.raises(QuotaImpossible, match="weight 6 never fits into the quota 5/s"):
        Windows([Quota.parse("5/s")]).free_from(0.0, 6)


def test_the_binding_quota_is_named() -> None:
    """Of several windows the one that frees last is told."""
    windows = Windows([Quota.parse("2/s"), Quota.parse("3/min")])
    for _ in range(3):
        now_s, _ = windows.free_from(0.0, 1)
        windows.take(now_s, 1)
    until_s, quota = windows.free_from(1.5, 1)
    assert str(quota) == "3/min"
    assert until_s == pytest.approx(60.6)


def test_a_lost_process_is_charged_what_it_could_have_sent() -> None:
    """After a kill the window counts as used up to what every quota together allows."""
    quotas = [Quota.parse("10/s"), Quota.parse("5000/h")]
    windows = Windows(quotas)
    windows.charge_lost(0.5, 0.5, inf)
    assert windows.free_from(0.5, 1)[0] == pytest.approx(1.51)
    assert [w.free(0.5) for w in windows] == [0, 4990]


def test_a_new_quota_takes_over_the_nearest_log() -> None:
    """A tightened limit knows what was sent before it was tightened."""
    before = Windows([Quota.parse("10/min")])
    for _ in range(8):
        before.take(0.0, 1)
    after = Windows([Quota.parse("5/min")])
    after.restore(before.snapshot(), shift_s=0.0, now_s=1.0)
    assert after.free_from(1.0, 1)[0] == pytest.approx(60.6)


def test_what_arrived_late_is_counted_later() -> None:
    """Its place in the window is freed as much later; nothing else moves."""
    window = Window(Quota(3, 10.0))
    for at_s in (0.0, 1.0, 2.0):
        window.take(at_s, 1)
    before_s = window.free_from(2.0, 1)
    window.postpone(0.0, 1.5, 1)
    assert [at_s for at_s, _ in window.entries()] == [1.0, 1.5, 2.0]
    assert window.free_from(2.0, 1) == before_s + 1.0
    window.postpone(5.0, 6.0, 1)
    assert window.free(2.0) == 0
