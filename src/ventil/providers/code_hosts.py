"""GitLab and Codeberg: limits that are stated, and limits that are only known to be there."""

from __future__ import annotations

from dataclasses import replace

from ventil.core.exchange import Outcome, Reply, Request, Response, Verdict
from ventil.core.outcome import judge_http
from ventil.providers.profile import Api, Profile

GITLAB_PROFILE = Profile(
    name="gitlab",
    title="GitLab",
    base_url="https://gitlab.com",
    quotas=("2/s",),
    max_in_flight=2,
    cooldown_s=60.0,
    timeout_s=30.0,
    latency_s=0.5,
    wants_contact=True,
    etiquette=(
        "500 requests a minute for an address without a token, 2,000 with one"
        " (docs.gitlab.com/user/gitlab_com/rate_limits, read 2026-11).",
        "Limits by the hour, low without a token, are announced and not active yet (the same).",
        "A throttle is a 429 with Retry-After and RateLimit-* fields (docs.gitlab.com,"
        " user and IP rate limits, read 2026-11).",
    ),
)

CODEBERG_PROFILE = Profile(
    name="codeberg",
    title="Codeberg",
    base_url="https://codeberg.org",
    quotas=("0.5/s",),
    max_in_flight=1,
    cooldown_s=900.0,
    timeout_s=30.0,
    latency_s=0.6,
    wants_contact=True,
    etiquette=(
        "Run by a non-profit association; no limits are published, and they are imposed"
        " against scrapers (swh/infra/sysadm-environment#5581 at Software Heritage, 2025).",
        "So one request in two seconds, one at a time, and a quarter of an hour's pause"
        " after a throttle that names no time: our own measure.",
    ),
)

_PAGES_OF_PROOF = (b"anubis", b"proof-of-work", b"making sure you're not a bot")


def judge_gitlab(request: Request, reply: Reply, now_s: float) -> Outcome:
    """As HTTP says; GitLab's 429 comes with Retry-After."""
    return judge_http(reply, now_s)


def judge_codeberg(request: Request, reply: Reply, now_s: float) -> Outcome:
    """As HTTP says, and a page that wants proof of a browser is a throttle.

    Forges that defend themselves against scrapers answer any request with such a page, with
    status 200 (Anubis, seen since 2025). To go on asking would be the scraper's way.
    """
    outcome = judge_http(reply, now_s)
    if not isinstance(reply, Response) or outcome.verdict is Verdict.THROTTLED:
        return outcome
    if "html" not in reply.headers.get("content-type", ""):
        return outcome
    top = reply.body[:8192].lower()
    if any(words in top for words in _PAGES_OF_PROOF):
        return replace(
            outcome, verdict=Verdict.THROTTLED, detail=f"{reply.status}: wants a browser"
        )
    return outcome


GITLAB = Api(GITLAB_PROFILE, judge_gitlab)
CODEBERG = Api(CODEBERG_PROFILE, judge_codeberg)
