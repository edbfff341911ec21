"""GitHub: REST and GraphQL, and its many ways to say slow down.

Observed and documented spellings (docs.github.com: rate limits for the REST API, best
practices, rate limits and query limits for the GraphQL API; read 2026-11):

- *primary*: 403 or 429 with `x-ratelimit-remaining: 0`; `x-ratelimit-reset` (epoch
  seconds) is when to go on;
- *secondary*: 403 or 429 that says so in its message, with or without `retry-after`;
  remaining is not 0. Without a time: a minute, then longer and longer;
- *GraphQL*: both come with status 200 and an `errors` list, the primary one of type
  RATE_LIMITED, the secondary one told by its message;
- a query that takes over ten seconds ends in a 502 or 504, or in a 200 that says so. That is
  about the query, not about GitHub's health, and asking the same again costs points for
  nothing: the answer is handed on as it is, and whoever asked asks for less.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ventil.core.exchange import Outcome, RateHint, Reply, Request, Response, Verdict
from ventil.core.outcome import judge_http
from ventil.providers.profile import Api, Profile

PROFILE = Profile(
    name="github",
    title="GitHub",
    base_url="https://api.github.com",
    quotas=("1/s", "5000/h"),
    max_in_flight=1,
    cooldown_s=60.0,
    timeout_s=30.0,
    latency_s=0.4,
    wants_contact=True,
    etiquette=(
        "Without a token 60 requests an hour for an address, with one 5,000 (docs.github.com,"
        " rate limits for the REST API, read 2026-11).",
        "Requests are to be made one after another, and at least a second apart when they"
        " write (docs.github.com, best practices for using the REST API, read 2026-11).",
        "Secondary limits: 100 requests at once, 900 points a minute for REST and 2,000 for"
        " GraphQL, 90 seconds of CPU in 60 (the same, read 2026-11).",
        "A 304 to an authenticated conditional request does not count (best practices).",
        "GitHub asked a prober of changelog file names to use the API"
        " (algolia/npm-search#993): names are never guessed here.",
    ),
)

ANONYMOUS_QUOTAS = ("60/h",)
"""What holds besides while no token is configured."""

_SCAN_BYTES = 4 * 1024
_TOO_MUCH = (b"couldn't respond to your request in time", b"while executing your query")
_SECONDARY = (b"secondary rate limit", b"abuse detection mechanism")
_PRIMARY = b"API rate limit exceeded"


class _Error(msgspec.Struct):
    type: str | None = None
    message: str | None = None


class _Answer(msgspec.Struct):
    errors: list[_Error] | None = None


def judge(request: Request, reply: Reply, now_s: float) -> Outcome:
    """The reply's meaning to the governor."""
    outcome = judge_http(reply, now_s)
    if not isinstance(reply, Response):
        return outcome
    if request.target == "/graphql" and reply.status in (200, 502, 504):
        return _judge_graphql(reply, outcome)
    if reply.status not in (403, 429):
        return outcome
    top = reply.body[:_SCAN_BYTES]
    secondary = any(words in top for words in _SECONDARY)
    if outcome.verdict is not Verdict.THROTTLED and not secondary and _PRIMARY not in top:
        return outcome  # a repository that is blocked, a token without the right
    return _throttled(outcome, reply.status, secondary=secondary)


def _judge_graphql(reply: Response, outcome: Outcome) -> Outcome:
    if reply.status != 200:
        if any(words in reply.body[:_SCAN_BYTES] for words in _TOO_MUCH):
            return Outcome(Verdict.LIVE, hints=outcome.hints, detail="too much in one query")
        return outcome
    try:
        errors = msgspec.json.decode(reply.body, type=_Answer).errors or []
    except (msgspec.DecodeError, RecursionError, ValueError):
        return replace(outcome, verdict=Verdict.OVERLOADED, detail="200 without an answer")
    for error in errors:
        message = (error.message or "").encode("utf-8", "replace")
        if error.type == "RATE_LIMITED" or _PRIMARY in message:
            return _throttled(outcome, 200, secondary=False)
        if any(words in message for words in _SECONDARY):
            return _throttled(outcome, 200, secondary=True)
    return outcome


def _throttled(outcome: Outcome, status: int, *, secondary: bool) -> Outcome:
    """Retry-After goes first, then the reset of the spent primary quota, else no time."""
    wait_s = outcome.retry_after_s
    if wait_s is None and not secondary:
        wait_s = max((w for hint in outcome.hints if (w := _until_reset(hint))), default=None)
    kind = "secondary" if secondary else "primary"
    named = "no time named" if wait_s is None else f"go on in {wait_s:.0f} s"
    return Outcome(
        Verdict.THROTTLED, wait_s, outcome.hints, f"{status}: {kind} rate limit, {named}"
    )


def _until_reset(hint: RateHint) -> float | None:
    return hint.reset_s if hint.remaining is not None and hint.remaining <= 0 else None


GITHUB = Api(PROFILE, judge, ANONYMOUS_QUOTAS)
