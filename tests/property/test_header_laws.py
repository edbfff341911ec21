"""Any header at all: a value or nothing, never an exception."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ventil.core.exchange import Outcome, Response
from ventil.core.headers import LONGEST_RESET_S, LONGEST_WAIT_S, rate_hints, retry_after_s
from ventil.core.outcome import judge_http

names = st.sampled_from(
    [
        "retry-after",
        "date",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-reset-after",
        "x-ratelimit-limit-minute",
        "x-rate-limit-interval",
        "x-ratelimit-resource",
    ]
)
texts = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='0123456789.-;,=" qrtwms?:abz()\\', max_size=40),
    st.from_regex(r'"[a-z]{0,4}";r=-?[0-9]{1,20};t=[0-9]{0,5}', fullmatch=True),
    st.from_regex(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{8} GMT"),
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(names, texts), st.floats(0, 4e9))
def test_any_header_gives_bounded_numbers_or_none(
    headers: dict[str, str], now_s: float
) -> None:
    """Waits are above 0 and at most a day, resets within a month, nothing is negative."""
    wait_s = retry_after_s(headers, now_s)
    assert wait_s is None or 0 < wait_s <= LONGEST_WAIT_S
    for hint in rate_hints(headers, now_s):
        for value in (hint.limit, hint.remaining, hint.window_s):
            assert value is None or value >= 0
        assert hint.reset_s is None or 0 <= hint.reset_s <= LONGEST_RESET_S


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, 999), st.dictionaries(names, texts))
def test_any_reply_is_judged(status: int, headers: dict[str, str]) -> None:
    """The default judge has an outcome for every status."""
    assert isinstance(judge_http(Response(status, headers, b""), 1e9), Outcome)
