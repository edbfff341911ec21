"""Retry-After and the rate-limit spellings, good and bad (edge cases 1 and 2)."""

from __future__ import annotations

import pytest

from ventil.core.exchange import RateHint
from ventil.core.headers import LONGEST_WAIT_S, rate_hints, retry_after_s

NOW_S = 1_795_228_800.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("1e9", None),
        ("nan", None),
        ("inf", None),
        ("1000000000", LONGEST_WAIT_S),
        ("9" * 5000, None),
        ("9" * 350, LONGEST_WAIT_S),
        ("30, 60", 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
        ("\u0661\u0662", None),
    ],
)
def test_retry_after_names_a_time_or_none(text: str, expected: float | None) -> None:
    """Zero, the past, the negative and garbage name no time; the absurd is clamped."""
    assert retry_after_s({"retry-after": text}, NOW_S) == expected


def test_retry_after_as_a_date() -> None:
    """An HTTP-date counts from our clock when the response has no Date."""
    at = "Sat, 21 Nov 2026 00:02:00 GMT"
    now_s = 1_795_219_200.0
    assert retry_after_s({"retry-after": at}, now_s) == 120.0


def test_retry_after_date_with_a_skewed_clock() -> None:
    """The provider's own Date settles what now is, however wrong either clock goes."""
    headers = {
        "retry-after": "Sat, 21 Nov 2026 00:02:00 GMT",
        "date": "Sat, 21 Nov 2026 00:00:30 GMT",
    }
    assert retry_after_s(headers, 5.0) == 90.0
    assert retry_after_s({**headers, "date": "yesterday"}, 1_795_219_200.0) == 120.0


def hint(headers: dict[str, str], now_s: float = NOW_S) -> RateHint:
    """The only hint of these headers."""
    (only,) = rate_hints(headers, now_s)
    return only


def test_structured_fields_of_draft_11() -> None:
    """RateLimit and RateLimit-Policy are joined by policy name; several policies stand."""
    hints = rate_hints(
        {
            "ratelimit-policy": '"burst";q=100;w=60,"daily";q=1000;w=86400;pk=:cHNk:',
            "ratelimit": '"burst";r=50;t=30, "daily";r=999',
        },
        NOW_S,
    )
    assert set(hints) == {
        RateHint(limit=100, remaining=50, reset_s=30, window_s=60, name="burst"),
        RateHint(limit=1000, remaining=999, reset_s=None, window_s=86400, name="daily"),
    }


def test_dictionary_of_drafts_07_and_08() -> None:
    """RateLimit: limit=, remaining=, reset= with RateLimit-Policy 100;w=60."""
    got = hint(
        {"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=60"}
    )
    assert got == RateHint(limit=100, remaining=50, reset_s=5, window_s=60)


def test_three_fields_of_the_oldest_drafts() -> None:
    """RateLimit-Limit with policies in it, -Remaining, -Reset in delta seconds."""
    got = hint(
        {
            "ratelimit-limit": "10, 10;w=1, 50;w=60",
            "ratelimit-remaining": "0",
            "ratelimit-reset": "1",
        }
    )
    assert got == RateHint(limit=10, remaining=0, reset_s=1, window_s=1)


@pytest.mark.parametrize(
    ("reset", "expected_s"),
    [
        ("60", 60.0),
        (f"{NOW_S + 60:.0f}", 60.0),
        (f"{(NOW_S + 60) * 1000:.0f}", 60.0),
        ("6m0s", 360.0),
        ("250ms", 0.25),
        (f"{NOW_S - 60:.0f}", 0.0),
        ("2026-11-21T00:01:00Z", 60.0),
        ("later", None),
        ("99999999999999999999", 31 * 86400.0),
    ],
)
def test_x_ratelimit_reset_is_epoch_or_delta(reset: str, expected_s: float | None) -> None:
    """Epoch seconds, epoch milliseconds, delta seconds, durations and dates are told apart."""
    now_s = 1_795_219_200.0 if "T" in reset else NOW_S
    got = hint(
        {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": "12",
            "x-ratelimit-reset": reset,
        },
        now_s,
    )
    assert got.remaining == 12
    assert got.reset_s == expected_s


def test_vendor_spellings() -> None:
    """Crossref's interval, GitHub's resource, one hint per window or kind in the name."""
    crossref = {"x-rate-limit-limit": "50", "x-rate-limit-interval": "1s"}
    assert hint(crossref) == RateHint(limit=50, window_s=1)
    github = {
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-used": "60",
        "x-ratelimit-resource": "core",
        "x-ratelimit-reset": f"{NOW_S + 9:.0f}",
    }
    assert hint(github) == RateHint(limit=60, remaining=0, reset_s=9, name="core")
    kong = {"x-ratelimit-limit-minute": "30", "x-ratelimit-remaining-minute": "29"}
    assert hint(kong) == RateHint(limit=30, remaining=29, window_s=60, name="minute")
    discord = {"x-ratelimit-remaining": "1", "x-ratelimit-reset-after": "0.5"}
    assert hint(discord) == RateHint(remaining=1, reset_s=0.5)


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit": '"p";r=;t='},
        {"ratelimit": '"p'},
        {"ratelimit": "(1 2);q=3"},
        {"ratelimit": '"p";r=-5;t=1'},
        {"ratelimit-policy": '"p";q=?9'},
        {"x-ratelimit-limit": "lots", "x-ratelimit-remaining": "-1"},
        {"x-ratelimit-reset": "5"},
        {"x-my-ratelimit": "7"},
        {"ratelimit": "a" * 100_000},
        {"content-type": "text/html"},
        {},
    ],
)
def test_garbage_is_no_hint(headers: dict[str, str]) -> None:
    """What cannot be read says nothing."""
    assert rate_hints(headers, NOW_S) == ()
