"""The default judge."""

from __future__ import annotations

import pytest

from ventil.core.exchange import Fault, FaultKind, Response, Verdict
from ventil.core.outcome import judge_http


def response(status: int, **headers: str) -> Response:
    """A response with these header fields (underscores become dashes)."""
    return Response(status, {k.replace("_", "-"): v for k, v in headers.items()}, b"")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (response(200), Verdict.LIVE),
        (response(200, retry_after="60"), Verdict.LIVE),
        (response(304), Verdict.LIVE),
        (response(302, retry_after="60"), Verdict.LIVE),
        (response(400), Verdict.LIVE),
        (response(404), Verdict.LIVE),
        (response(422), Verdict.LIVE),
        (response(429), Verdict.THROTTLED),
        (response(420), Verdict.THROTTLED),
        (response(403), Verdict.REFUSED),
        (response(401), Verdict.REFUSED),
        (response(403, retry_after="60"), Verdict.THROTTLED),
        (response(403, x_ratelimit_remaining="0"), Verdict.THROTTLED),
        (response(403, x_ratelimit_remaining="5"), Verdict.REFUSED),
        (response(408), Verdict.OVERLOADED),
        (response(500), Verdict.OVERLOADED),
        (response(503, retry_after="60"), Verdict.OVERLOADED),
        (response(599), Verdict.OVERLOADED),
        (Fault(FaultKind.TIMEOUT, "30 s"), Verdict.OVERLOADED),
        (Fault(FaultKind.DNS, "no such host"), Verdict.OVERLOADED),
    ],
)
def test_verdicts(reply: Response | Fault, verdict: Verdict) -> None:
    """Status and header fields decide, as in the table of the module."""
    assert judge_http(reply, 0.0).verdict is verdict


def test_times_are_honoured_on_throttle_and_overload_only() -> None:
    """Retry-After on a 200 or a redirect is about something else (edge case 1)."""
    assert judge_http(response(429, retry_after="9"), 0.0).retry_after_s == 9
    assert judge_http(response(503, retry_after="9"), 0.0).retry_after_s == 9
    assert judge_http(response(200, retry_after="9"), 0.0).retry_after_s is None
    assert judge_http(response(301, retry_after="9"), 0.0).retry_after_s is None


def test_details_read_well() -> None:
    """The detail says what happened, for people."""
    assert judge_http(response(429), 0.0).detail == "429 without Retry-After"
    assert judge_http(response(429, retry_after="0"), 0.0).detail == "429 without Retry-After"
    assert judge_http(response(503, retry_after="9"), 0.0).detail == "503 with Retry-After 9 s"
    assert judge_http(Fault(FaultKind.TLS, "expired"), 0.0).detail == "tls: expired"
