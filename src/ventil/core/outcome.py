"""The default judge: what an HTTP reply means to the governor.

A provider's own judge wraps this one when it knows better: a throttle that comes as HTML,
a 200 with an error in its body, a 403 that is about the request.

| reply | verdict |
|---|---|
| 2xx, 3xx, definitive 4xx (404, 410, 422 ...) | LIVE |
| 429, 420, 430, 509 | THROTTLED |
| 403 with Retry-After, or whose rate limit has nothing remaining | THROTTLED |
| 401, 403 otherwise | REFUSED |
| 408, 425, other 5xx, every fault | OVERLOADED |

420 and 430 are vendors' throttle codes; 509 is "bandwidth limit exceeded".
"""

from __future__ import annotations

from ventil.core.exchange import Fault, Outcome, Reply, Verdict
from ventil.core.headers import rate_hints, retry_after_s

_THROTTLES = frozenset({420, 429, 430, 509})
_REFUSALS = frozenset({401, 403})
_TRANSIENT_4XX = frozenset({408, 425})
_WELL = Outcome(Verdict.LIVE)


def judge_http(reply: Reply, now_s: float) -> Outcome:
    """Judge a reply by its status and header fields alone.

    `now_s` turns dates of header fields into delays. Retry-After counts on throttles and
    overloads only: on a success or a redirect it is about something else. A 503 with
    Retry-After is OVERLOADED, and its time is honoured for the whole provider.
    """
    if isinstance(reply, Fault):
        return Outcome(Verdict.OVERLOADED, detail=f"{reply.kind}: {reply.detail}")
    status = reply.status
    hints = rate_hints(reply.headers, now_s)
    if 200 <= status < 400:
        return Outcome(Verdict.LIVE, hints=hints) if hints else _WELL
    wait_s = retry_after_s(reply.headers, now_s)
    if status in _THROTTLES or (
        status == 403 and (wait_s is not None or any(_is_spent(h.remaining) for h in hints))
    ):
        return Outcome(Verdict.THROTTLED, wait_s, hints, _with_wait(status, wait_s))
    if status in _REFUSALS:
        return Outcome(Verdict.REFUSED, None, hints, str(status))
    if status >= 500 or status in _TRANSIENT_4XX or status < 200:
        detail = str(status) if wait_s is None else _with_wait(status, wait_s)
        return Outcome(Verdict.OVERLOADED, wait_s, hints, detail)
    return Outcome(Verdict.LIVE, hints=hints, detail=str(status))


def _is_spent(remaining: float | None) -> bool:
    return remaining is not None and remaining <= 0


def _with_wait(status: int, wait_s: float | None) -> str:
    if wait_s is None:
        return f"{status} without Retry-After"
    return f"{status} with Retry-After {wait_s:.0f} s"
